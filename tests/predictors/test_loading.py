"""From what a person writes to the archive that it stands for."""

import sys
from pathlib import Path

import pytest

import nlpreg
from nlpreg.common.checks import ConfigurationError
from nlpreg.predictors.loading import archive_path, load


def test_names_of_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive_path("hf://team/tagger") == "hf://team/tagger/model.tar.gz"
    assert archive_path("hf://team/tagger/") == "hf://team/tagger/model.tar.gz"
    assert archive_path("hf://team/tagger/old/model.tar.gz") == "hf://team/tagger/old/model.tar.gz"
    assert archive_path("https://example.org/m.tar.gz") == "https://example.org/m.tar.gz"
    assert archive_path(tmp_path) == str(tmp_path)
    package = tmp_path / "some_model_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('nothing is run to find the archive')")
    (package / "model.tar.gz").write_bytes(b"")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert archive_path("some_model_package") == str(package / "model.tar.gz")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package", "no_such_package: there is no such file or package; expected a path"),
        ("json", "the package json holds no model.tar.gz"),
        ("missing/model.tar.gz", "there is no such file or package"),
    ],
)
def test_names_that_stand_for_nothing(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        archive_path(name)


def test_the_function_is_at_the_top() -> None:
    assert nlpreg.load is load
    with pytest.raises(AttributeError, match="module 'nlpreg' has no attribute 'laod'"):
        nlpreg.laod  # noqa: B018
