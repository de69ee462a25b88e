"""What a command writes never replaces what it reads, nor a file of a run."""

import json
import shutil
from pathlib import Path

import pytest

from nlpreg.commands.command_line import exit_status


@pytest.fixture
def run_folder(trained_tagger: Path, tmp_path: Path) -> Path:
    """A copy of a run, with data beside it that may be lost."""
    shutil.copytree(trained_tagger, tmp_path / "out")
    (tmp_path / "in.jsonl").write_text(json.dumps({"sentence": "The dog ate"}) + "\n")
    return tmp_path / "out"


COMMANDS = {
    "predict": "predict ARCHIVE DATA --output-file FILE",
    "evaluate": "evaluate ARCHIVE DATA --output-file FILE",
    "predictions": "evaluate ARCHIVE DATA --predictions-output-file FILE",
    "errors": "evaluate ARCHIVE DATA --errors FILE",
    "score": "score ARCHIVE DATA --output-file FILE",
    "generate": "generate ARCHIVE --prompts DATA --output-file FILE",
    "train-tokenizer": "train-tokenizer DATA --force --output FILE",
    "report": "report RUN --data DATA --output-file FILE",
    "schema": "schema --output FILE",
    "init": "init simple_tagger --force --output FILE",
}


@pytest.mark.parametrize(
    "name", ["in.jsonl", "link.jsonl", "out/model.tar.gz", "out/best.th", "out/metrics.json", "out"]
)
@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_replaces_no_input_and_no_file_of_a_run(
    command: str, name: str, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.endswith(".jsonl") and "DATA" not in COMMANDS[command]:
        pytest.skip("this command reads no data")
    folder = run_folder.parent
    (folder / "link.jsonl").symlink_to("in.jsonl")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    paths = {
        "ARCHIVE": run_folder / "model.tar.gz",
        "RUN": run_folder,
        "DATA": folder / "in.jsonl",
        "FILE": folder / name,
    }
    words = [str(paths.get(word, word)) for word in COMMANDS[command].split()]
    assert exit_status("nlpreg", words) == 2
    assert f"{folder / name}: cannot be written, because " in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_new_output_in_the_folder_of_a_run(run_folder: Path) -> None:
    (run_folder / "predictions.jsonl").write_text("old\n")
    words = ["predict", str(run_folder), str(run_folder.parent / "in.jsonl")]
    assert exit_status("nlpreg", [*words, "--output-file", str(run_folder / "predictions.jsonl")]) == 0
    assert json.loads((run_folder / "predictions.jsonl").read_text())["words"] == ["The", "dog", "ate"]
