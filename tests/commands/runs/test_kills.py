"""`nlpreg train --sweep` and `nlpreg tune` themselves killed at several moments: resumed, they give the same table."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands.conftest import tagger_config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

# The number of a run, and what is in its folder when it has come to the moment.
MOMENTS: dict[str, tuple[int, str]] = {
    "before the group is written": (-1, ""),
    "with the first run": (0, "out.log"),
    "after an epoch of the first run": (0, "metrics_epoch_0.json"),
    "when the first run has its archive": (0, "model.tar.gz"),
    "with the last run": (1, "out.log"),
    "after an epoch of the last run": (1, "metrics_epoch_0.json"),
    "when the last run has its archive": (1, "metrics.json"),
}


@dataclass
class Group:
    """A command that trains two runs, and what it gives when it is left alone."""

    words: list[str]
    runs: list[str]
    record: str
    table: list[str]
    rows: list[dict[str, str]]


@pytest.fixture(scope="module", params=["train --sweep", "tune"])
def group(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Group:
    folder = tmp_path_factory.mktemp("whole")
    config = tagger_config(folder)
    config["trainer"].update(num_epochs=3, validation_metric="-loss")
    config["model"].update(type="crf_tagger", dropout=0.2)
    (folder / "config.json").write_text(json.dumps(config))
    if request.param == "tune":
        pytest.importorskip("optuna")
        (folder / "space.jsonnet").write_text(
            "{ 'model.dropout': { type: 'float', low: 0, high: 0.5 }, 'model.encoder.type': ['lstm', 'gru'] }"
        )
        words = ["tune", str(folder / "config.json"), str(folder / "space.jsonnet"), "-n", "2", "-q"]
        runs, record = ["trial_0", "trial_1"], "study.db"
    else:
        words = ["train", str(folder / "config.json"), "--sweep", "model.encoder.num_layers=1,2", "-q"]
        runs, record = ["num_layers=1", "num_layers=2"], "runs.json"
    table = run([*words, "-s", str(folder / "out")])
    assert len(table) == 3
    return Group(words, runs, record, table, rows(folder / "out"))


def run(words: list[str]) -> list[str]:
    """The lines of the table that a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "nlpreg", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\n\n")[0].splitlines()


def rows(folder: Path) -> list[dict[str, str]]:
    """The CSV file of a group without the clock."""
    with open(folder / "runs.csv", newline="") as file:
        return [
            {key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)
        ]


def processes_of(folder: Path) -> list[int]:
    """The processes that have a folder on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:  # it has just ended
            continue
        if os.fsencode(folder) in words and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def wait_for(is_so: Callable[[], bool], seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_at(words: list[str], out: Path, runs: list[str], moment: tuple[int, str]) -> None:
    """Start a command and kill it alone, with SIGKILL, once one of its runs has a file; see that nothing stays behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nlpreg", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    number, file = moment
    if number < 0:
        time.sleep(0.5)
    else:
        wait_for(lambda: (out / runs[number] / file).exists() or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # the runs save a checkpoint, and end
    wait_for(lambda: not processes_of(out), 60.0)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_table_is_the_same_after_a_kill(moment: str, group: Group, tmp_path: Path) -> None:
    number = list(MOMENTS).index(moment)
    out = tmp_path / "out"
    words = [*group.words, "-s", str(out), "--parallel", str(1 + number % 2)]
    kill_at(words, out, group.runs, MOMENTS[moment])
    recover = ["-r"] if (out / group.record).exists() else []
    assert run([*words, *recover]) == group.table
    assert rows(out) == group.rows
    assert not processes_of(out) and not (out / ".running").exists()
