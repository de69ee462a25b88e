"""Runs on two machines, each played by a launcher of its own on this one; they may see one folder or two."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from child_processes import youngest_child

from nlpreg.common.util import find_open_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix"),
]

SECONDS = 100
Machines = Callable[..., list[subprocess.Popen[str]]]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Starts a config on two machines; `folders` are theirs."""
    started: list[subprocess.Popen[str]] = []

    def start(
        config: dict[str, Any], folders: tuple[str, str], *options: str, by_torchrun: bool = False
    ) -> list[subprocess.Popen[str]]:
        port = find_open_port()
        section = {"cuda_devices": [-1]}
        if not by_torchrun:
            section = {"num_nodes": 2, "primary_address": "127.0.0.1", "primary_port": port, **section}
        file = tmp_path / "config.json"
        if "-r" not in options:
            file.write_text(json.dumps({**config, "distributed": section}))
        for machine, folder in enumerate(folders):
            command = [sys.executable, "-m"]
            own = ["--node-rank", str(machine)]
            if by_torchrun:
                command += [
                    "torch.distributed.run",
                    "--nnodes=2",
                    f"--node-rank={machine}",
                    "--nproc-per-node=1",
                ]
                command += ["--master-addr=127.0.0.1", f"--master-port={port}", "-m"]
                own = []
            command += ["nlpreg", "train", str(file), "-s", str(tmp_path / folder), "-q", *own, *options]
            started.append(
                subprocess.Popen(
                    command,
                    cwd=tmp_path,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            )
        return started[-2:]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # torchrun's processes are no part of its group
            process.communicate(timeout=30)


def outcomes(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    errors = [process.communicate(timeout=SECONDS)[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, errors, strict=True)]


def wait_for_checkpoint(folder: Path, processes: list[subprocess.Popen[str]]) -> None:
    deadline = time.monotonic() + SECONDS
    while not list(folder.glob("training_state_*")):
        assert time.monotonic() < deadline and all(process.poll() is None for process in processes)
        time.sleep(0.05)


@pytest.fixture
def short(tagger: dict[str, Any]) -> dict[str, Any]:
    del tagger["trainer"]["cuda_device"]
    return tagger


@pytest.fixture
def endless(short: dict[str, Any]) -> dict[str, Any]:
    return {**short, "trainer": {**short["trainer"], "num_epochs": 100_000}}


@pytest.mark.parametrize("by_torchrun", [False, True], ids=["launchers", "torchrun"])
@pytest.mark.parametrize("second", ["one", "two"], ids=["shared folder", "own folders"])
def test_two_machines_train_one_model(
    second: str, by_torchrun: bool, short: dict[str, Any], machines: Machines, tmp_path: Path
) -> None:
    processes = machines(short, ("one", second), by_torchrun=by_torchrun)
    for code, errors in outcomes(processes):
        assert code == 0, errors
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert {"model.tar.gz", "metrics.json", "best.th", "out_worker0.log"} <= names
    assert "out_worker1.log" in {path.name for path in (tmp_path / second).iterdir()}
    if second == "two":  # the second machine writes nothing else
        assert {path.name for path in (tmp_path / "two").iterdir()} == {"out_worker1.log", "vocabulary"}


def test_a_process_that_is_killed_ends_the_run_on_both_machines(
    endless: dict[str, Any], machines: Machines, tmp_path: Path
) -> None:
    processes = machines(endless, ("one", "two"))
    wait_for_checkpoint(tmp_path / "one", processes)
    os.kill(youngest_child(processes[1]), signal.SIGKILL)
    started = time.monotonic()
    first, second = outcomes(processes)
    assert time.monotonic() - started < 60
    assert first[0] == second[0] == 1
    assert "nlpreg: error: process 1: was killed by SIGKILL" in second[1], second[1]
    assert "nlpreg: error: process 0: " in first[1], first[1]


def test_a_machine_that_is_gone_ends_the_run_on_the_other(
    endless: dict[str, Any], machines: Machines, tmp_path: Path
) -> None:
    processes = machines(endless, ("one", "two"))
    wait_for_checkpoint(tmp_path / "one", processes)
    os.killpg(processes[0].pid, signal.SIGKILL)
    (_, _), (code, errors) = outcomes(processes)
    assert code == 1
    assert "process 1: " in errors, errors


def test_a_killed_process_under_torchrun_ends_the_run_on_both_machines(
    endless: dict[str, Any], machines: Machines, tmp_path: Path
) -> None:
    processes = machines(endless, ("one", "two"), by_torchrun=True)
    wait_for_checkpoint(tmp_path / "one", processes)
    os.kill(youngest_child(processes[1]), signal.SIGKILL)
    for code, errors in outcomes(processes):
        assert code == 1, errors


def test_one_machine_is_asked_to_end_and_both_go_on_later(
    endless: dict[str, Any], machines: Machines, tmp_path: Path
) -> None:
    processes = machines(endless, ("one", "two"))
    wait_for_checkpoint(tmp_path / "one", processes)
    processes[0].send_signal(signal.SIGTERM)
    for code, errors in outcomes(processes):
        assert code == 75, errors
        assert errors.startswith("nlpreg: ended on request"), errors
    epochs = len(list((tmp_path / "one").glob("metrics_epoch_*.json")))
    again = machines(endless, ("one", "two"), "-r")
    deadline = time.monotonic() + SECONDS
    while len(list((tmp_path / "one").glob("metrics_epoch_*.json"))) < epochs + 2:
        assert time.monotonic() < deadline and all(process.poll() is None for process in again)
        time.sleep(0.05)
    again[1].send_signal(signal.SIGTERM)
    for code, errors in outcomes(again):
        assert code == 75, errors


def test_a_mistake_on_the_first_machine_ends_the_second(
    short: dict[str, Any], machines: Machines, tmp_path: Path
) -> None:
    (tmp_path / "train.txt").write_text("no tags at all\n")
    first, second = outcomes(machines(short, ("one", "two")))
    assert first[0] == 2 and "train.txt" in first[1]
    assert second[0] == 2 and "process 0: " in second[1] and "train.txt" in second[1], second[1]


def test_a_folder_in_use_ends_both(short: dict[str, Any], machines: Machines, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "thesis.txt").touch()
    first, second = outcomes(machines(short, ("one", "two")))
    assert first[0] == second[0] == 2
    assert "the folder is not empty" in first[1] and "process 0: " in second[1]
