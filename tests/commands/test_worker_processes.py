import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nlpreg.commands import worker_processes
from nlpreg.commands.failures import WorkerFailure
from nlpreg.commands.worker_processes import run_all
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.signals import SigTermReceived, install_sigterm_handler

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


@pytest.fixture(autouse=True)
def importable_from_new_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])


def write_rank(rank: int, folder: str) -> None:
    (Path(folder) / str(rank)).write_text("done")


def fail_or_wait(rank: int, folder: str) -> None:
    """The second process fails, the first one would wait for a long time."""
    if rank == 1:
        raise ConfigurationError("data: the file is empty")
    time.sleep(600)


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def fail_in_turn(rank: int, folder: str) -> None:
    """The second process fails after the first one."""
    failing = Path(folder) / "failing"
    if rank == 0:
        failing.touch()
    else:
        wait_for(failing)
        time.sleep(0.5)
    raise RuntimeError(f"number {rank}")


def die_or_notice(rank: int, folder: str) -> None:
    """The second process is killed; the first one notices, and fails, too."""
    dying = Path(folder) / "dying"
    if rank == 1:
        dying.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    wait_for(dying)
    time.sleep(0.3)
    raise RuntimeError("lost touch with the others")


def checkpoint_on_request(rank: int, folder: str) -> None:
    (Path(folder) / f"ready{rank}").write_text("")
    try:
        time.sleep(600)
    except SigTermReceived as error:
        (Path(folder) / f"saved{rank}").write_text("")
        error.how_to_continue = "go on"  # type: ignore[attr-defined]
        raise


def fail_at_length(rank: int, folder: str) -> None:
    raise ValueError("x" * 1_000_000)


def two(folder: Path) -> list[tuple[int, str]]:
    return [(rank, str(folder)) for rank in range(2)]


def test_all_run(tmp_path: Path) -> None:
    run_all(write_rank, two(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}


def test_one_failure_ends_the_others(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(WorkerFailure, match=r"process 1: data: the file is empty") as error:
        run_all(fail_or_wait, two(tmp_path))
    assert time.monotonic() - start < 60  # not 600
    assert error.value.status == 2
    assert "fail_or_wait" in error.value.trace


def test_the_first_failure_counts(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match="process 0: RuntimeError: number 0"):
        run_all(fail_in_turn, two(tmp_path))


def test_a_report_that_fills_the_pipe(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match="process [01]: ValueError: xxx"):
        run_all(fail_at_length, two(tmp_path))


def test_numbers_of_another_machine_and_a_look_now_and_then(tmp_path: Path) -> None:
    def look() -> None:
        raise RuntimeError("the other machine is gone")

    with pytest.raises(RuntimeError, match="the other machine is gone"):
        run_all(fail_or_wait, two(tmp_path)[:1], look=look)
    with pytest.raises(WorkerFailure, match="process 3: "):
        run_all(fail_or_wait, two(tmp_path), first_rank=2)


def test_a_killed_process_is_the_cause(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match="process 1: was ended by SIGKILL"):
        run_all(die_or_notice, two(tmp_path))


def test_a_report_is_read_even_where_the_end_of_its_process_is_seen_first() -> None:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    sender.send(worker_processes._Report(0.0, "data: the file is empty", 2, ""))
    ended: Any = SimpleNamespace(exitcode=1)
    with pytest.raises(WorkerFailure, match="process 0: data: the file is empty"):
        worker_processes._raise_failure([worker_processes._Worker(ended, receiver)], 0)


def test_a_request_to_end_is_passed_on(tmp_path: Path) -> None:
    def ask_to_end() -> None:
        for rank in range(2):
            wait_for(tmp_path / f"ready{rank}")
        os.kill(os.getpid(), signal.SIGTERM)

    earlier = signal.getsignal(signal.SIGTERM)
    install_sigterm_handler()
    try:
        threading.Thread(target=ask_to_end).start()
        with pytest.raises(SigTermReceived, match="asked to end by SIGTERM") as error:
            run_all(checkpoint_on_request, two(tmp_path))
    finally:
        signal.signal(signal.SIGTERM, earlier)
    assert error.value.how_to_continue == "go on"  # type: ignore[attr-defined]
    assert (tmp_path / "saved0").exists() and (tmp_path / "saved1").exists()


@pytest.mark.parametrize(
    ("code", "text"), [(3, "exit status 3"), (-9, "SIGKILL; the system"), (-11, "SIGSEGV")]
)
def test_how_a_process_ended(code: int, text: str) -> None:
    assert text in worker_processes._how_it_ended(code)
