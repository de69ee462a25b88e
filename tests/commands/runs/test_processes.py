"""Processes for the runs of a group: as many as may at a time, one for each run, and none left over."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.runs import processes as module
from nlpreg.commands.runs.processes import FOLDER, Ended, Processes


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In place of `nlpreg train CONFIG -s DIR`, a program that does what the config says and notes its options."""
    script = tmp_path / "stand_in.py"
    script.write_text(
        "import json, os, sys, time\n"
        "config = json.load(open(sys.argv[2]))\n"
        "os.makedirs(sys.argv[4], exist_ok=True)\n"
        "open(os.path.join(sys.argv[4], 'words'), 'a').write(' '.join(sys.argv[5:]) + '\\n')\n"
        "time.sleep(config['seconds'])\n"
        "sys.exit(config['error'])\n"
    )
    popen = subprocess.Popen

    def start(words: list[str], **options: Any) -> Any:
        return popen([sys.executable, str(script), *words[3:]], **options)

    monkeypatch.setattr(module.subprocess, "Popen", start)


def finished(processes: Processes) -> dict[str, Ended]:
    found: dict[str, Ended] = {}
    deadline = time.monotonic() + 60
    while len(processes) and time.monotonic() < deadline:
        found.update((ended.name, ended) for ended in processes.ended())
        time.sleep(0.02)
    return found


@pytest.mark.usefixtures("stand_in")
def test_outcomes(tmp_path: Path) -> None:
    with Processes(tmp_path / "group", 2) as processes:
        assert processes.start("good", {"seconds": 0, "error": 0}, ["--no-cache"])
        assert not processes.is_full
        assert processes.start("a/bad", {"seconds": 0, "error": "no such thing"})
        assert processes.is_full
        outcomes = finished(processes)
    assert (outcomes["good"].status, outcomes["good"].error) == (0, "")
    assert (outcomes["a/bad"].status, outcomes["a/bad"].error) == (1, "no such thing")
    assert (tmp_path / "group" / "good" / "words").read_text() == "-q --no-cache\n"
    assert not (tmp_path / "group" / FOLDER).exists()


@pytest.mark.usefixtures("stand_in")
def test_what_was_begun_is_gone_on_with(tmp_path: Path) -> None:
    for _ in range(2):
        with Processes(tmp_path) as processes:
            processes.start("run", {"seconds": 0, "error": 0})
            finished(processes)
    assert (tmp_path / "run" / "words").read_text() == "-q\n-q -r\n"


@pytest.mark.usefixtures("stand_in")
def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    with Processes(tmp_path, 2) as first, Processes(tmp_path, 2) as second:
        assert first.start("run", {"seconds": 60, "error": 0})
        assert not second.start("run", {"seconds": 0, "error": 0})
        assert second.start("other", {"seconds": 0, "error": 0})
        first.end()
        assert second.start("run", {"seconds": 0, "error": 0})
        assert set(finished(second)) == {"run", "other"}


@pytest.mark.usefixtures("stand_in")
def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="broken"), Processes(tmp_path) as processes:
        processes.start("run", {"seconds": 120, "error": 0})
        raise RuntimeError("broken")
    assert time.monotonic() - started < 100
    assert not (tmp_path / FOLDER).exists()


def killed_with_a_run(folder: Path, run: str) -> int:
    """Start a group of one run, `run` in Python, kill the process that started it, and return the run's process."""
    script = (
        "import os, subprocess, sys, time\n"
        "from nlpreg.commands.runs import processes\n"
        "popen = subprocess.Popen\n"
        "def start(words, **options):\n"
        "    program, nlpreg = words[2].split('import runpy')\n"
        "    return popen([*words[:2], program + sys.argv[2], sys.argv[1]], **options)\n"
        "processes.subprocess.Popen = start\n"
        "p = processes.Processes(sys.argv[1])\n"
        "p.__enter__()\n"
        "p.start('run', {})\n"
        "while not os.path.exists(os.path.join(sys.argv[1], 'begun')):\n"
        "    time.sleep(0.01)\n"
        "print(next(iter(p._running.values())).process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(folder), run], capture_output=True, text=True, check=False
    )
    return int(json.loads(killed.stdout))


BEGIN = "import os, signal, sys, time; "
SLEEP = "open(os.path.join(sys.argv[1], 'begun'), 'w').close(); time.sleep(120)"


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not tell a process that its parent has ended"
)
def test_a_killed_group_leaves_no_runs_behind(tmp_path: Path) -> None:
    child = killed_with_a_run(tmp_path, BEGIN + SLEEP)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and "State:\tZ" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_lock_outlives_the_process_that_started_the_run(tmp_path: Path) -> None:
    """As after kill -9 of `nlpreg train --sweep`, whose run still saves its checkpoint."""
    child = killed_with_a_run(tmp_path, BEGIN + "signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP)
    with Processes(tmp_path) as processes:
        assert not processes.start("run", {})
        subprocess.run(["kill", "-9", str(child)], check=True)
        deadline = time.monotonic() + 60
        while not processes.start("run", {"a": 1}):
            assert time.monotonic() < deadline
            time.sleep(0.05)
