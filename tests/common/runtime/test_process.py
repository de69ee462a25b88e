import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nlpreg.common.runtime.process import (
    SigTermReceived,
    find_open_port,
    install_signal_handlers,
    install_sigterm_handler,
    is_distributed,
    is_global_primary,
    remove_unused_compiler_cache,
    stay_on_this_machine,
)


@pytest.mark.parametrize("is_used", [True, False])
def test_an_unused_folder_of_the_compiler_is_removed(is_used, tmp_path, monkeypatch):
    pytest.importorskip("torch._dynamo")
    folder = tmp_path / "torchinductor_me"
    folder.mkdir()
    if is_used:
        (folder / "kernel").touch()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder))
    remove_unused_compiler_cache()
    assert folder.exists() == is_used


@pytest.mark.skipif(os.name == "nt", reason="on Windows, os.kill ends a process without a signal")
def test_sigterm_is_an_exception():
    before = signal.getsignal(signal.SIGTERM)
    try:
        install_sigterm_handler()
        with pytest.raises(SigTermReceived, match="asked to end"):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


PROGRAM = """
import atexit, concurrent.futures, logging, sys, threading, time
from nlpreg.common.runtime.process import end_process

class NeverTornDown:
    def __del__(self):
        open(sys.argv[1] + ".torn", "w").close()

kept = NeverTornDown()
logging.basicConfig(filename=sys.argv[1], level=logging.INFO)
atexit.register(logging.info, "exit handler")
threading.Thread(target=lambda: (time.sleep(0.2), logging.info("thread"))).start()
concurrent.futures.ThreadPoolExecutor(1).submit(logging.info, "pool")
sys.stdout.write("no line end")
end_process(int(sys.argv[2]))
"""


@pytest.mark.parametrize("status", [0, 1, 2, 75, 130])
def test_everything_is_written_and_the_status_stays(tmp_path, status):
    log = tmp_path / "log"
    command = [sys.executable, "-c", PROGRAM, str(log), str(status)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (status, "no line end", "")
    lines = [line.rpartition(":")[2] for line in log.read_text().splitlines()]
    assert sorted(lines) == ["exit handler", "pool", "thread"]
    assert lines[-1] == "exit handler"
    assert not (tmp_path / "log.torn").exists()


def test_a_closed_stream(tmp_path):
    program = "import sys; from nlpreg.common.runtime.process import end_process; sys.stdout.close(); end_process(0)"
    assert subprocess.run([sys.executable, "-c", program], timeout=100, check=False).returncode == 0


def test_a_single_process_is_the_primary_one():
    assert not is_distributed()
    assert is_global_primary()


def test_open_port_can_be_listened_on():
    port = find_open_port()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
        sock.listen()


def test_the_loopback_interface_is_used_unless_somebody_chose_another(monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth7")
    stay_on_this_machine()
    assert os.environ["GLOO_SOCKET_IFNAME"] == "eth7"
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(2, "eth0"), (1, "lo")])
    stay_on_this_machine()
    assert os.environ.pop("GLOO_SOCKET_IFNAME") == "lo"
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(2, "eth0")])
    stay_on_this_machine()
    assert "GLOO_SOCKET_IFNAME" not in os.environ


@pytest.fixture
def handlers() -> Iterator[None]:
    """The handlers of the command line, put back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    install_signal_handlers()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, SigTermReceived), (signal.SIGINT, KeyboardInterrupt)]
)
def test_signals_wait_for_the_end_of_an_import(
    number: int, error: type[BaseException], handlers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slow_module.py").write_text(
        f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(0.1)\nis_done = True\n"
    )
    seen = []
    with pytest.raises(error, match="^$|asked to end"):  # the signal comes a moment after the import
        seen.append(importlib.import_module("slow_module").is_done)
        time.sleep(10)
    assert seen == [True]
    sys.modules.pop("slow_module")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_of_two_quick_signals_breaks_nothing_off(number: int, handlers: None) -> None:
    cleared = []
    with pytest.raises((SigTermReceived, KeyboardInterrupt), match="^$|asked to end"):
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            cleared.append(True)
    assert cleared
