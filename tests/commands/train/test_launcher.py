import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.failures import WorkerFailure
from nlpreg.commands.train.launcher import Interrupted, Machines, is_consequence, launch_processes
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.runtime.process import SigTermReceived, install_sigterm_handler

# Forked processes spare the import of torch; Python 3.12 and later warn that it is a risk beside threads.
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


def rank() -> int:
    return int(os.environ["RANK"])


def launch(function: Callable[..., Any], folder: Path, **settings: Any) -> None:
    launch_processes(function, (folder,), 2, start_method="fork", **settings)


def write_rank(folder: Path) -> None:
    (folder / os.environ["RANK"]).write_text(os.environ["LOCAL_WORLD_SIZE"] + os.environ["WORLD_SIZE"])


def fail_or_wait(folder: Path) -> None:
    """The second process fails, the first one would wait for a long time."""
    if rank() == 1:
        raise ConfigurationError("data: the file is empty")
    time.sleep(600)


def fail_beside_deaf(folder: Path) -> None:
    """The second process fails, the first one hears nothing any more."""
    if rank() == 1:
        wait_for(folder / "deaf")
        raise ConfigurationError("data: the file is empty")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / "deaf").touch()
    time.sleep(600)


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def fail_in_turn(folder: Path) -> None:
    """The second process loses touch with the first one, which fails a bit later."""
    failing = folder / "failing"
    if rank() == 1:
        failing.touch()
        raise RuntimeError("connection closed by peer")
    wait_for(failing)
    time.sleep(0.5)
    raise RuntimeError("number 0")


def die_or_notice(folder: Path) -> None:
    """The second process is killed; the first one notices, and fails, too."""
    dying = folder / "dying"
    if rank() == 1:
        dying.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    wait_for(dying)
    raise RuntimeError("connection closed by peer")


def checkpoint_on_request(folder: Path) -> Interrupted:
    (folder / f"ready{rank()}").write_text("")
    try:
        time.sleep(600)
    except SigTermReceived:
        (folder / f"saved{rank()}").write_text("")
        return Interrupted("go on" if rank() == 0 else "")
    raise AssertionError("nobody asked")


def fail_at_length(folder: Path) -> None:
    raise ValueError("x" * 1_000_000)


def leave_pid_and_wait(folder: Path) -> None:
    (folder / f"pid{rank()}.tmp").write_text(str(os.getpid()))
    (folder / f"pid{rank()}.tmp").rename(folder / f"pid{rank()}")
    time.sleep(600)


def test_all_run(tmp_path: Path) -> None:
    launch(write_rank, tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"0": "22", "1": "22"}


def test_new_processes_end_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    launch_processes(write_rank, (tmp_path,), 2)
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}


def test_one_failure_ends_the_others(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(WorkerFailure, match=r"process 1: data: the file is empty") as error:
        launch(fail_or_wait, tmp_path)
    assert time.monotonic() - start < 60  # not 600
    assert error.value.status == 2
    assert "fail_or_wait" in error.value.trace


def test_a_process_that_hears_nothing_is_ended_by_force(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(WorkerFailure, match=r"process 1: data: the file is empty"):
        launch(fail_beside_deaf, tmp_path)
    assert time.monotonic() - start < 60


def test_the_cause_is_reported_and_not_its_consequence(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match="process 0: RuntimeError: number 0"):
        launch(fail_in_turn, tmp_path)


def test_a_long_report(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match="process [01]: ValueError: xxx"):
        launch(fail_at_length, tmp_path)


def test_a_killed_process_is_the_cause(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match="process 1: was killed by SIGKILL; the system sends it"):
        launch(die_or_notice, tmp_path)


def test_processes_that_take_too_long(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="the processes were not done after 1 s"):
        launch(leave_pid_and_wait, tmp_path, timeout=1.0)


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        message = f"distributed: the rendezvous of the machines at 127.0.0.1:{port} failed .*give another primary_port"
        with pytest.raises(ConfigurationError, match=message):
            launch(write_rank, Path(), machines=Machines(port=port), timeout=60)


def test_a_request_to_end_is_passed_on(tmp_path: Path) -> None:
    def ask_to_end() -> None:
        for number in range(2):
            wait_for(tmp_path / f"ready{number}")
        os.kill(os.getpid(), signal.SIGTERM)

    earlier = signal.getsignal(signal.SIGTERM)
    install_sigterm_handler()
    try:
        threading.Thread(target=ask_to_end).start()
        with pytest.raises(SigTermReceived, match="asked to end by SIGTERM") as error:
            launch(checkpoint_on_request, tmp_path)
    finally:
        signal.signal(signal.SIGTERM, earlier)
    assert error.value.how_to_continue == "go on"
    assert (tmp_path / "saved0").exists() and (tmp_path / "saved1").exists()


def test_no_process_is_left_when_the_launcher_is_killed(tmp_path: Path) -> None:
    code = (
        f"import sys, pathlib; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_launcher as t\n"
        "t.launch(t.leave_pid_and_wait, pathlib.Path(sys.argv[1]))\n"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], start_new_session=True)
    for number in range(2):
        wait_for(tmp_path / f"pid{number}")
    launcher.kill()
    launcher.wait()
    pids = [int((tmp_path / f"pid{number}").read_text()) for number in range(2)]
    deadline = time.monotonic() + 30
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_signs_of_a_consequence() -> None:
    assert is_consequence("RuntimeError: [gloo] Connection closed by peer")
    assert not is_consequence("ValueError: no labels")
