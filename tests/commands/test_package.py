"""A trained model as a wheel: what is in it, and that it tags a sentence where it is installed."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import nlpreg
from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.package import package_model
from nlpreg.common.caching import cache, remote

ROOT = Path(__file__).parents[2]
THREE_LINES = """
import my_tagger
tagger = my_tagger.load()
print(tagger.predict("the dog ate the apple")["tags"])
"""


@pytest.fixture
def wheel(trained_tagger: Path, tmp_path: Path) -> Path:
    return Path(package_model(trained_tagger, "my_tagger", "1.2.0", tmp_path / "dist", "mit", "Tags words."))


def test_what_a_wheel_holds(wheel: Path, trained_tagger: Path) -> None:
    assert wheel.name == "my_tagger-1.2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    assert contents["my_tagger/model.tar.gz"] == (trained_tagger / "model.tar.gz").read_bytes()
    compile(contents["my_tagger/__init__.py"], "__init__.py", "exec")
    metadata = contents["my_tagger-1.2.0.dist-info/METADATA"].decode()
    for line in (
        "Name: my_tagger",
        "Version: 1.2.0",
        "License: mit",
        "Summary: Tags words.",
        "Requires-Dist: nlpreg (>=",
    ):
        assert line in metadata
    assert metadata.endswith(contents["my_tagger/README.md"].decode().partition("\n---\n\n")[2])
    assert "library_name" not in metadata  # only the hub reads the header of the card
    card = contents["my_tagger/README.md"].decode()
    assert "license: mit" in card and "best_validation_accuracy" in card and "`train.txt`" in card
    assert str(trained_tagger.parent) not in card.partition("## Config")[0]
    # the record names every file with its digest, as pip checks it
    rows = dict(
        line.split(",", 1) for line in contents["my_tagger-1.2.0.dist-info/RECORD"].decode().splitlines()
    )
    assert set(rows) == set(contents)
    for name, row in rows.items():
        if not name.endswith("RECORD"):
            digest = base64.urlsafe_b64encode(hashlib.sha256(contents[name]).digest()).rstrip(b"=").decode()
            assert row == f"sha256={digest},{len(contents[name])}"


def test_an_archive_is_packaged_as_its_run_is(wheel: Path, trained_tagger: Path, tmp_path: Path) -> None:
    def card(archive: Path) -> str:
        made = package_model(archive, "my_tagger", "1.2.0", tmp_path / "other", "mit", "Tags words.")
        with zipfile.ZipFile(made) as packed:
            return packed.read("my_tagger/README.md").decode()

    with zipfile.ZipFile(wheel) as packed:
        of_run = packed.read("my_tagger/README.md").decode()
    assert card(trained_tagger / "model.tar.gz") == of_run
    moved = shutil.copy(trained_tagger / "model.tar.gz", tmp_path)
    assert "## Metrics" in of_run and "## Metrics" not in card(Path(moved))


def test_equal_models_give_equal_wheels(wheel: Path, trained_tagger: Path, tmp_path: Path) -> None:
    again = package_model(trained_tagger, "my_tagger", "1.2.0", tmp_path / "again", "mit", "Tags words.")
    assert Path(again).read_bytes() == wheel.read_bytes()


def test_an_unpacked_wheel_tags_a_sentence(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])}
    code = THREE_LINES + "import nlpreg\nprint(nlpreg.load('my_tagger').predict('a cat slept')['tags'])"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    ).stdout.splitlines()
    assert shown == ["['DET', 'NOUN', 'VERB', 'DET', 'NOUN']", "['DET', 'NOUN', 'VERB']"]


def test_a_published_model_is_loaded_from_the_hub(
    trained_tagger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec")
    hub = fsspec.filesystem("memory")
    with hub.open("/team/tagger/model.tar.gz", "wb") as file:
        file.write((trained_tagger / "model.tar.gz").read_bytes())
    monkeypatch.setattr(remote.FsspecSource, "_locate", lambda self, url: (hub, url.removeprefix("hf:/")))
    monkeypatch.setattr(cache, "CACHE_DIRECTORY", str(tmp_path))
    expected = ["DET", "NOUN", "VERB", "DET", "NOUN"]
    for model in ("hf://team/tagger", trained_tagger, trained_tagger / "model.tar.gz"):
        assert nlpreg.load(model).predict("the dog ate the apple")["tags"] == expected
    assert any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-n", "My-Tagger"], "--name: expected a name that can be imported"),
        (["-n", "nlpreg"], "--name: expected"),
        (["-n", "x", "--version", "one"], "--version: expected a version"),
    ],
)
def test_mistakes(
    options: list[str], message: str, trained_tagger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("nlpreg", ["package", str(trained_tagger), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_has_not_ended_is_not_packaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert main("nlpreg", ["package", str(tmp_path), "-n", "x"]) == 2
    assert "the run has not finished" in capsys.readouterr().err
