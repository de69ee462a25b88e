"""The example plugin is installed into an environment of its own, and works there without any flag."""

import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment that sees the packages of this one, with the plugin installed; its Python."""
    pytest.importorskip("setuptools", minversion="70.1")
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    shutil.copytree(
        ROOT / "docs" / "example_plugin", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    packages = Path(
        sysconfig.get_path("purelib", vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")})
    )
    seen = [str(ROOT), *site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    (packages / "packages_of_the_tests.pth").write_text("\n".join(dict.fromkeys(seen)) + "\n")
    install = [
        sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install", "-q",
        "--no-index", "--no-deps", "--no-build-isolation", str(source),
    ]  # fmt: skip
    subprocess.run(install, check=True, cwd=folder, timeout=200)
    shutil.rmtree(source / "nlpreg_example")  # what runs now is what was installed
    return python


def nlpreg(python: Path, *arguments: str) -> str:
    folder = python.parents[2] / "source"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(
        [python, "-m", "nlpreg", *arguments],
        cwd=folder,
        env={**clean, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_it_is_found(environment: Path) -> None:
    output = nlpreg(environment, "plugins")
    assert "nlpreg_example\n  found in: entry point 'example' of the package nlpreg-example\n" in output
    for line in (
        "  DatasetReader: tab_separated\n",
        "  Model: endings_tagger\n",
        "  Seq2SeqEncoder: neighbours\n",
        "  TokenIndexer: word_ending\n",
    ):
        assert line in output


def test_its_parts_are_known_to_other_commands(environment: Path) -> None:
    assert "label_smoothing: float = 0.0" in nlpreg(environment, "describe", "endings_tagger")
    assert (
        nlpreg(environment, "check", "configs/tagger.jsonnet")
        == "configs/tagger.jsonnet: no problems found\n"
    )
    assert '"const": "tab_separated"' in nlpreg(environment, "schema", "dataset_reader")


def test_it_trains_and_predicts(environment: Path) -> None:
    nlpreg(environment, "train", "configs/tagger.jsonnet", "-s", "out", "-o", '{"trainer.cuda_device": -1}')
    folder = environment.parents[2] / "source"
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["best_validation_accuracy"] > 0.7
    resolved = json.loads((folder / "out" / "config.resolved.json").read_text())
    assert resolved["model"]["encoder"]["num_neighbours"] == 1
    output = nlpreg(environment, "evaluate", "out/model.tar.gz", "data/validation.tsv")
    assert f"{metrics['best_validation_accuracy']:.4f}" in output
