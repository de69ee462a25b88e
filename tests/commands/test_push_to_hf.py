import importlib.util
import inspect
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.push_to_hf import push_to_hf


class Hub:
    """Stands for the package huggingface_hub; remembers what was asked of it."""

    def __init__(self, cards: tuple[str, ...] = (), error: Exception | None = None) -> None:
        self.cards, self.error = cards, error
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.uploaded: dict[str, bytes] = {}
        self.errors = SimpleNamespace(HTTPError=OSError, HFValidationError=ValueError)

    def HfApi(self, library_name: str) -> "Hub":
        return self

    def create_repo(self, repo_id: str, exist_ok: bool) -> Any:
        self.calls.append(("create_repo", {"repo_id": repo_id, "exist_ok": exist_ok}))
        if self.error is not None:
            raise self.error
        full = repo_id if "/" in repo_id else f"me/{repo_id}"

        class Url(str):
            repo_id = full

        return Url(f"https://hub/{full}")

    def file_exists(self, repo_id: str, filename: str) -> bool:
        self.calls.append(("file_exists", {"repo_id": repo_id, "filename": filename}))
        return repo_id in self.cards

    def upload_folder(self, **arguments: Any) -> None:
        self.calls.append(("upload_folder", arguments))
        folder = Path(arguments["folder_path"])
        self.uploaded = {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    fake = Hub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return fake


def push(*words: object, status: int = 0) -> None:
    assert main("nlpreg", ["push-to-hf", *map(str, words)]) == status


def test_a_run_is_published(
    hub: Hub, trained_tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push("-n", "my-tagger", "-s", trained_tagger, "-c", "First", "-l", tmp_path / "kept")
    assert capsys.readouterr().out == "https://hub/me/my-tagger\n"
    assert [name for name, _ in hub.calls] == ["create_repo", "file_exists", "upload_folder"]
    assert hub.calls[-1][1]["repo_id"] == "me/my-tagger" and hub.calls[-1][1]["commit_message"] == "First"
    assert set(hub.uploaded) == {"model.tar.gz", "config.json", "meta.json", "metrics.json", "README.md"}
    assert hub.uploaded["model.tar.gz"] == (trained_tagger / "model.tar.gz").read_bytes()
    card = hub.uploaded["README.md"].decode()
    assert card.startswith(
        '---\nlibrary_name: nlpreg\ntags:\n- nlpreg\n- "simple_tagger"\n---\n\n# my-tagger\n'
    )
    accuracy = json.loads((trained_tagger / "metrics.json").read_text())["best_validation_accuracy"]
    assert f"| best_validation_accuracy | {accuracy:.4f} |" in card
    assert (tmp_path / "kept" / "model.tar.gz").exists()


def test_an_archive_is_published(hub: Hub, trained_tagger: Path) -> None:
    push("-n", "tagger", "-o", "team", "-a", trained_tagger / "model.tar.gz", "--license", "mit")
    assert hub.calls[0][1]["repo_id"] == "team/tagger"
    card = hub.uploaded["README.md"].decode()
    assert 'nlpreg.load("hf://team/tagger")' in card and "\nlicense: mit\n" in card
    # the archive is still in the folder of its run
    assert "| best_validation_accuracy |" in card
    assert set(hub.uploaded) == {"model.tar.gz", "config.json", "meta.json", "README.md"}
    assert not Path(hub.calls[-1][1]["folder_path"]).exists()


def test_a_model_card_that_is_there_stays(hub: Hub, trained_tagger: Path) -> None:
    hub.cards = ("me/tagger",)
    push("-n", "tagger", "-a", trained_tagger / "model.tar.gz")
    assert hub.calls[-1][1]["ignore_patterns"] == ["README.md"]


def test_a_refusal_is_explained(hub: Hub, trained_tagger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.error = OSError("401 Unauthorized")
    push("-n", "tagger", "-s", trained_tagger, status=2)
    assert "401 Unauthorized); to log in, run `hf auth login`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-n", "a/b", "-s", "{run}"], "got 'a/b'; give the part before the slash as --organization"),
        (["-n", "a b", "-s", "{run}"], "--repo-name: expected up to 96 letters"),
        (["-n", "a", "-o", "x--y", "-s", "{run}"], "--organization: expected"),
        (["-n", "a", "-s", "{folder}"], "this folder is not a run"),
        (["-n", "a", "-s", "{folder}/nothing"], "there is no such file"),
        (["-n", "a", "-s", "{folder}/unfinished"], "no model.tar.gz in it"),
        (["-n", "a", "-a", "{folder}/nothing"], "--archive-path: "),
        (["-n", "a", "-a", "{folder}/broken.tar.gz"], "not a tar archive"),
        (["-n", "a", "-s", "{run}", "-l", "{folder}"], "expected a new or an empty folder"),
    ],
)
def test_mistakes(
    words: list[str], message: str, hub: Hub, trained_tagger: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").write_text("{}")
    (tmp_path / "broken.tar.gz").write_bytes(b"no archive")
    push(*(word.format(run=trained_tagger, folder=tmp_path) for word in words), status=2)
    assert message in capsys.readouterr().err
    assert hub.calls == []


def test_without_the_package(trained_tagger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="nlpreg\\[remote\\]"):
        push_to_hf("a", trained_tagger)


@pytest.mark.oracle
def test_the_library_takes_these_calls(
    hub: Hub, trained_tagger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push("-n", "tagger", "-s", trained_tagger)
    monkeypatch.undo()
    if importlib.util.find_spec("huggingface_hub") is None:
        pytest.skip("huggingface_hub is not installed")
    import huggingface_hub

    for name, arguments in hub.calls:
        inspect.signature(getattr(huggingface_hub.HfApi, name)).bind(None, **arguments)
    assert issubclass(huggingface_hub.errors.HfHubHTTPError, huggingface_hub.errors.HTTPError)
    assert issubclass(huggingface_hub.errors.LocalTokenNotFoundError, OSError)
    huggingface_hub.HfApi(library_name="nlpreg")
