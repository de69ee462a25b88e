"""The source distribution, the wheel, and the files for those who work on nlpreg: complete, and right outside a checkout."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest

from nlpreg.version import VERSION

ROOT = Path(__file__).parents[1]
BUILD = "from setuptools import build_meta; build_meta.build_sdist('dist'); build_meta.build_wheel('dist')"
THREE_LINES = """
import my_tagger
tagger = my_tagger.load()
print(tagger.predict("The dog ate the apple")["tags"])
"""


def run(*words: str | Path, folder: Path) -> str:
    # a checkout on the path would hide what is missing in the wheel
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a source distribution and a wheel, built from a clone."""
    source = tmp_path_factory.mktemp("source")
    run("git", "clone", "-q", ROOT, ".", folder=source)
    run(sys.executable, "-c", BUILD, folder=source)
    return source / "dist"


@pytest.fixture(scope="module")
def nlpreg(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs the Python of a fresh environment, which has the wheel and sees the packages of this one, but no checkout."""
    import torch

    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "fresh", folder=folder)
    python = folder / "fresh" / "bin" / "python"
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).strip()
    )
    (site / "packages_of_the_tests.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    (wheel,) = built.glob("*.whl")
    run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel, folder=folder)
    assert str(site) in run(python, "-c", "import nlpreg; print(nlpreg.__file__)", folder=folder)
    return lambda *words, folder: run(python, *words, folder=folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_source_distribution_has_docs_tests_and_configs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = run("git", "ls-files", folder=ROOT).splitlines()
    for path in tracked:
        top = path.partition("/")[0]
        if top in ("docs", "tests", "training_configs", "scripts", "benchmarks", "nlpreg") or path.endswith(
            (".md", ".cff")
        ):
            assert path in names or top == ".github", path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_has_configs_and_their_data(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for path in (ROOT / "training_configs").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (
                f"nlpreg/training_configs/{path.relative_to(ROOT / 'training_configs').as_posix()}" in names
            )
    assert not any(name.startswith("tests/") for name in names)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_path_from_the_wheel_to_an_installed_tagger(nlpreg: Callable[..., str], tmp_path: Path) -> None:
    """The quickstart, in an empty folder, and the package of its model, which tags a sentence in three lines."""
    assert "quickstart_tagger " in nlpreg("-m", "nlpreg", "configs", folder=tmp_path)
    copied = nlpreg("-m", "nlpreg", "configs", "copy", "quickstart", folder=tmp_path).splitlines()
    assert copied[0] == "quickstart_tagger.jsonnet" and all((tmp_path / path).is_file() for path in copied)
    nlpreg("-m", "nlpreg", "check", "quickstart_tagger.jsonnet", folder=tmp_path)
    words = ("train", "quickstart", "-s", "out/", "-q", "-o", "trainer.num_epochs=3")
    nlpreg("-m", "nlpreg", *words, folder=tmp_path)
    nlpreg("-m", "nlpreg", "package", "out/model.tar.gz", "--name", "my_tagger", folder=tmp_path)
    wheel = "my_tagger-0.1.0-py3-none-any.whl"
    nlpreg("-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel, folder=tmp_path)
    (tmp_path / "elsewhere").mkdir()
    tags = nlpreg("-c", THREE_LINES, folder=tmp_path / "elsewhere").strip()
    assert tags == "['DET', 'NOUN', 'VERB', 'DET', 'NOUN']"


def test_the_readme_shows_the_three_lines() -> None:
    assert THREE_LINES.replace("\n", "") in (ROOT / "README.md").read_text(encoding="utf-8").replace("\n", "")


def test_contributing_names_commands_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    scripts = set(re.findall(r"`((?:scripts|\.ci)/[\w.]+)", text))
    assert scripts >= {"scripts/check", "scripts/test", "scripts/coverage", "scripts/docs", ".ci/run"}
    for script in scripts:
        assert os.access(ROOT / script, os.X_OK), script
    for path in re.findall(r"\((\w[\w/.]+\.md)\)", text) + re.findall(
        r"`((?:tests|nlpreg)/[\w/]+(?:\.py|/))`", text
    ):
        assert (ROOT / path).exists(), path
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    extras = dict(settings["options.extras_require"])
    for extra in re.search(r"-e '\.\[(.+?)\]'", text).group(1).split(","):
        assert extra in extras
    # what the page and the hooks call comes with the extra
    assert {"ruff", "mypy", "pre-commit"} <= set(extras["dev"].split())
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"entry: python -m (ruff .+)", hooks) == ["ruff format", "ruff check --fix"]


def test_the_citation_is_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {VERSION}\n" in text


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*")), ids=lambda path: path.name
)
def test_issue_templates_have_the_header_that_github_reads(path: Path) -> None:
    assert re.match(r"---\nname: \S.*\nabout: \S.*\n---\n\n\S", path.read_text(encoding="utf-8"))
