"""`nlpreg train -r` in a folder in which something broke: it goes back to what is whole, says so, and ends the same."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.command_line import exit_status as main
from tests.commands.conftest import finished_run

PICKLED_CALL = b"\x80\x04cos\nsystem\n(S'touch EVIL'\ntR."

DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b""),
    "zeros of the right size": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "one bit": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "missing": lambda path: path.unlink(),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "of the checkpoint before": lambda path: shutil.copy(path.with_name(path.name.replace("e3", "e2")), path),
    "code": lambda path: path.write_bytes(PICKLED_CALL),
}
FILES = ["model_state_e3_b0.th", "training_state_e3_b0.th", "checkpoint_e3_b0.json"]
HARMLESS = ("missing", "checkpoint_e3_b0.json")
"""The record only helps to notice damage."""


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of three epochs, the first of which is the best; its config is beside it."""
    return finished_run(tmp_path_factory.mktemp("finished"), num_epochs=3, validation_metric="+loss")


@pytest.fixture
def recover(finished: Path, tmp_path: Path) -> Callable[[], int]:
    shutil.copytree(finished / "out", tmp_path / "out")
    for name in ("model.tar.gz", "metrics.json"):
        (tmp_path / "out" / name).unlink()
    return lambda: main("nlpreg", ["train", str(finished / "c.json"), "-s", str(tmp_path / "out"), "-r"])


def same_weights(first: Path, second: Path) -> bool:
    a, b = torch.load(first), torch.load(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint(
    name: str,
    damage: str,
    finished: Path,
    recover: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "out"
    DAMAGES[damage](folder / name)
    assert recover() == 0
    shown = capsys.readouterr()
    warned = re.search(rf"warning: the checkpoint is damaged; using the previous one: .*{name}", shown.out)
    if (damage, name) != HARMLESS:
        assert warned, shown.out
        assert "3/3" in shown.out  # only the last one again
    assert shown.err.startswith("checking ") and shown.err.count("\n") == 1
    assert same_weights(folder / "best.th", finished / "out" / "best.th")
    for place in ("e2_b0", "e3_b0"):
        assert same_weights(folder / f"model_state_{place}.th", finished / "out" / f"model_state_{place}.th")
    assert (folder / "model.tar.gz").is_file()
    assert not (tmp_path / "EVIL").exists()


def test_no_checkpoint_is_whole(
    finished: Path, recover: Callable[[], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    for path in folder.glob("training_state*"):
        path.write_bytes(b"")
    assert recover() == 0
    shown = capsys.readouterr().out
    assert "no checkpoint is intact, training starts over" in shown and "1/3" in shown
    assert same_weights(folder / "best.th", finished / "out" / "best.th")


@pytest.mark.parametrize("damage", ["cut in half", "empty", "missing", "code"])
def test_the_best_weights_are_damaged(
    damage: str, recover: Callable[[], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[damage](tmp_path / "out" / "best.th")
    assert recover() == 2
    shown = capsys.readouterr().err
    assert re.search(
        r"best\.th (is missing|has \d+ bytes instead of \d+); these were the weights of the best epoch, 0",
        shown,
    )
    assert "model_state files" in shown
    shutil.copy(tmp_path / "out" / "model_state_e3_b0.th", tmp_path / "out" / "best.th")
    (tmp_path / "out" / ".digests.json").unlink()
    assert recover() == 0


def test_a_disk_that_is_full_in_the_middle(finished: Path, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))\n"
        "from nlpreg.commands.command_line import exit_status as main\n"
        "sys.exit(main('nlpreg', sys.argv[1:]))\n"
    )
    arguments = ["train", str(finished / "c.json"), "-s", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    assert "cannot be written" in done.stderr and "--recover" in done.stderr
    assert main("nlpreg", [*arguments, "-r", "-q"]) == 0
    assert same_weights(tmp_path / "out" / "best.th", finished / "out" / "best.th")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(
    recover: Callable[[], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").chmod(0o500)
    assert recover() == 2
    assert "ermission" in capsys.readouterr().err


def without_clocks(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if not re.search("duration|memory", name)}


@pytest.mark.parametrize("damage", ["one bit", "cut in half", "missing"])
def test_damage_to_any_file_is_repaired_or_named(
    damage: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is resumed in a damaged folder ends like the untouched one, or says which file is wrong."""
    whole = finished / "out"
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert {"best.th", "metrics_epoch_1.json", "vocabulary/tokens.txt"} <= {str(file) for file in files}
    expected = without_clocks(json.loads((whole / "metrics.json").read_text()))
    for number, file in enumerate(files):
        folder = tmp_path / f"out{number}"
        shutil.copytree(whole, folder)
        if (whole / file).stat().st_size == 0:
            continue
        # best.th is another name of a checkpoint's file, and only one of them is damaged
        DAMAGES[damage](folder / file)
        code = main("nlpreg", ["train", str(finished / "c.json"), "-s", str(folder), "-r"])
        shown = "".join(capsys.readouterr())
        log = (folder / "out.log").read_text(errors="replace") if (folder / "out.log").exists() else ""
        if code != 0:
            assert code == 2 and (file.name in shown or str(file.parent) in shown), (file, shown)
            continue
        assert same_weights(folder / "best.th", whole / "best.th"), file
        assert without_clocks(json.loads((folder / "metrics.json").read_text())) == expected, file
        for name in (f"metrics_epoch_{epoch}.json" for epoch in range(3)):
            found, right = (json.loads((place / name).read_text()) for place in (folder, whole))
            assert without_clocks(found) == without_clocks(right), file
        for path in (whole / "vocabulary").glob("*.txt"):
            assert (folder / "vocabulary" / path.name).read_bytes() == path.read_bytes(), file
        assert json.loads((folder / "config.json").read_text()) == json.loads(
            (whole / "config.json").read_text()
        )
        if file.suffix == ".jsonl":
            assert "metrics.jsonl" in shown + log, file
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # each is an answer, too
@pytest.mark.parametrize("damage", ["one bit", "cut in half", "missing"])
@pytest.mark.parametrize("command", ["evaluate", "predict", "report", "print-results"])
def test_commands_that_read_a_damaged_folder(
    command: str, damage: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer is that of the untouched run, or the damaged file is named."""
    sentence = tmp_path / "in.jsonl"
    sentence.write_text('{"sentence": "a b c"}\n')
    page = tmp_path / "report.html"
    folder = tmp_path / "out"
    arguments = {
        "evaluate": ["evaluate", str(folder), str(finished / "data.txt")],
        "predict": ["predict", str(folder), str(sentence)],
        "report": ["report", str(folder), "-o", str(page)],
        "print-results": ["print-results", str(tmp_path)],
    }[command]

    def answer() -> tuple[int, str, str]:
        page.unlink(missing_ok=True)
        code = main("nlpreg", arguments)
        shown = capsys.readouterr()
        return code, shown.out + (page.read_text() if page.exists() else ""), shown.err

    whole = finished / "out"
    shutil.copytree(whole, folder)
    code, expected, _ = answer()
    assert code == 0, expected
    wrong = []
    for path in sorted(path for path in whole.rglob("*") if path.is_file() and path.stat().st_size):
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
        name = path.relative_to(whole)
        if (name.name, damage) == ("model.tar.gz", "missing"):
            continue  # a report tells that there is none
        DAMAGES[damage](folder / name)
        code, found, errors = answer()
        is_named = name.name in found + errors or str(folder) in errors
        if code not in (0, 2) or (not is_named and (code, found) != (0, expected)):
            wrong.append((str(name), code, errors, found[:200]))
    assert not wrong, "\n".join(map(str, wrong))
