"""What goes wrong outside of nlpreg's code ends in one sentence and an exit status, never in a traceback or in silence."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main
from tests.commands.conftest import finished_run

NUL = "a\0b"
DEEP = b"[" * 100_000
BROKEN = {
    "binary": bytes(range(256)),
    "cut": b'{"model": {"type": "x"',
    "empty": b"",
    "zeros": bytes(50),
    "list": b"[1]",
    "null": b"null",
    "text": b'"x"',
    "deep": DEEP,
    "utf16": '{"model": {}}'.encode("utf-16"),
}
needs_dev_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, its data, and the finished run `out`."""
    return finished_run(tmp_path_factory.mktemp("finished"), num_epochs=1)


@pytest.fixture
def here(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, to work in."""
    folder = Path(shutil.copytree(finished, tmp_path / "work"))
    monkeypatch.chdir(folder)
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 2) -> str:
    """What a command says that ends as expected."""
    try:
        code: Any = main("nlpreg", list(words))
    except SystemExit as error:
        code = error.code
    shown = "".join(capsys.readouterr())
    assert code == status, (words, code, shown)
    assert "Traceback" not in shown, (words, shown)
    return shown


def nlpreg(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, buffered as usual."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-m", "nlpreg", *words],
        env={**environment, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=100,
        **options,
    )


NULS = [
    ["train", NUL, "-s", "x"],
    ["train", "c.json", "-s", NUL],
    ["train", "c.json", "-s", "x", "-o", json.dumps({"train_data_path": NUL})],
    ["evaluate", NUL, "data.txt"],
    ["evaluate", "out", NUL],
    ["predict", "out", NUL],
    ["predict", "out", "data.txt", "--use-dataset-reader", "--output-file", NUL],
    ["diff", NUL, "c.json"],
    ["check", NUL],
    ["report", NUL],
    ["print-results", NUL],
    ["compare", "out", NUL, "data.txt"],
    ["build-vocab", "c.json", f"{NUL}.tar.gz"],
    ["cached-path", NUL],
    ["find-lr", "c.json", "-s", NUL],
    ["migrate", NUL],
    ["push-to-hf", "-n", "x", "-a", NUL],
    ["count-instances", NUL],
    ["train-tokenizer", NUL, NUL],
]


def test_a_nul_in_a_path(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in NULS:
        shown = said(capsys, *words)
        assert r"a\x00b" in shown or "a path contains a NUL character" in shown, (words, shown)


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file(kind: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "broken.json").write_bytes(BROKEN[kind])
    for words in (
        ["diff", "broken.json", "c.json"],
        ["diff", "c.json", "broken.json"],
        ["check", "broken.json"],
    ):
        assert "broken.json" in said(capsys, *words)
    assert "cannot be unpacked" in said(capsys, "evaluate", "broken.json", "data.txt")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_damaged_config_in_the_folder_of_a_run(
    kind: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = here / "out" / "config.json"
    for words in (
        ["train", "c.json", "-s", "out", "-r"],
        ["train", "out/config.json", "-s", "out", "-r"],
        ["predict", "out", "data.txt"],
        ["evaluate", "out", "data.txt"],
        ["report", "out"],
        ["diff", "out", "c.json"],
    ):
        config.write_bytes(BROKEN[kind])
        assert "config.json" in said(capsys, *words)
        assert config.read_bytes() == BROKEN[kind]


def test_deep_json_in_an_archive(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = here / "out" / "config.json"
    config.write_text(config.read_text().strip()[:-1] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}")
    for words in (["predict", "out", "data.txt"], ["evaluate", "out", "data.txt"]):
        assert "config.json is not valid JSON (maximum recursion depth" in said(capsys, *words)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_bad_line(num_workers: int, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "bad.txt").write_text("a###X b###Y\nbroken\n")
    overrides = {"train_data_path": "bad.txt", "data_loader.num_workers": num_workers}
    shown = said(capsys, "train", "c.json", "-s", "new", "-o", json.dumps(overrides))
    assert "nlpreg: error: bad.txt, line 2: expected items such as word###TAG, got 'broken'" in shown


@needs_dev_full
def test_no_room_for_the_log(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "new").mkdir()
    (here / "new" / "out.log").symlink_to("/dev/full")
    shown = said(capsys, "train", "c.json", "-s", "new", status=0)
    assert "out.log: the end of the log is lost (No space left on device)" in shown
    assert (here / "new" / "model.tar.gz").is_file()


@needs_dev_full
@pytest.mark.parametrize("words", [["train", "c.json", "-s", "new"], ["list", "Model"]])
def test_no_room_for_the_output(words: list[str], here: Path) -> None:
    with open("/dev/full", "w") as full:
        done = nlpreg(*words, stdout=full)
    assert done.returncode == 1
    errors = done.stderr.removeprefix("checking c.json\n")  # what `train` says at its start
    assert errors.startswith("nlpreg: error: standard output: no space left on the disk")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_a_reader_that_has_had_enough(here: Path) -> None:
    """A run goes on, and its results are in its folder; the status may say that nobody read on."""
    receiver, sender = os.pipe()
    os.close(receiver)
    done = nlpreg("train", "c.json", "-s", "new", stdout=sender)
    os.close(sender)
    assert done.returncode in (0, 141) and done.stderr == "checking c.json\n"
    assert (here / "new" / "model.tar.gz").is_file()


@pytest.mark.parametrize("moment", ["imports", "training"])
def test_two_quick_interruptions(moment: str, here: Path) -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        pytest.skip("the tests were started with Ctrl-C switched off, which processes inherit")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "nlpreg",
            "train",
            "c.json",
            "-s",
            "new",
            "-q",
            "-o",
            '{"trainer.num_epochs": 99999}',
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if moment == "imports":
            time.sleep(1)
        else:
            deadline = time.monotonic() + 100
            while not list(here.glob("new/training_state_*")) and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        for _ in range(2):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        _, errors = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors and "interrupted" in errors


HOLD = """
import sys
from nlpreg.training.serialization_dir import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("option", ["-r", "-f"])
def test_a_folder_that_another_run_uses(option: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither resumed nor deleted, and it is said who uses it; afterwards it is free."""
    before = {path.name: path.read_bytes() for path in (here / "out").iterdir() if path.is_file()}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, "out"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        shown = said(capsys, "train", "c.json", "-s", "out", option)
        assert f"out: another run is using this folder: process {holder.pid} on " in shown
        after = {name: (here / "out" / name).read_bytes() for name in before}
        assert after == before
    finally:
        holder.communicate("")
    said(capsys, "train", "c.json", "-s", "out", option, status=0)
