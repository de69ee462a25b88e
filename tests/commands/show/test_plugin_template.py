"""The package that `nlpreg init --plugin` writes installs, is found, and passes its test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.show.init import write_plugin
from nlpreg.common.checks import ConfigurationError

ROOT = Path(__file__).parents[3]


def run(folder: Path, *words: str, **variables: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**clean, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.timeout(400)
def test_it_installs_is_found_and_passes_its_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("setuptools", minversion="70.1")
    monkeypatch.chdir(tmp_path)
    assert main("nlpreg", ["init", "--plugin", "my-parts"]) == 0
    shown = capsys.readouterr().out
    assert "my-parts/my_parts/__init__.py" in shown and "pip install -e my-parts" in shown
    source, target = tmp_path / "my-parts", tmp_path / "installed"
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q"]
    run(tmp_path, "pip", "install", *options, "--target", str(target), str(source))
    (source / "my_parts").rename(tmp_path / "gone")  # what runs now is what was installed
    path = os.pathsep.join([str(target), str(ROOT)])
    assert "my_parts_scaled" in run(source, "nlpreg", "list", "seq2seq_encoder", PYTHONPATH=path)
    assert "passed" in run(source, "pytest", "-q", "-p", "no:cacheprovider", PYTHONPATH=path)


@pytest.mark.parametrize("name", ["3parts", "a b", "nlpreg", "tests", "..."])
def test_names_that_no_package_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="expected a name for a Python package, such as my_parts, got"
    ):
        write_plugin(str(tmp_path / name))
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "mine.txt").write_text("")
    with pytest.raises(ConfigurationError, match="parts: this folder is not empty; choose another name"):
        write_plugin(str(tmp_path / "parts"))


def test_either_a_model_or_a_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["simple_tagger", "--plugin", "x"]):
        assert main("nlpreg", ["init", *words]) == 2
        assert "expected either MODEL, for a config, or --plugin FOLDER" in capsys.readouterr().err
