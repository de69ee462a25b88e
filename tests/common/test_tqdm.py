import io
import logging
import os
import signal
import sys
import threading
import time
import types
import warnings
from typing import ClassVar

import pytest

from nlpreg.common import logging as common_logging
from nlpreg.common.tqdm import Tqdm


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def log_lines():
    lines = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    handler, logger = Keep(), logging.getLogger("tqdm")
    logger.addHandler(handler)
    previous = logger.level
    logger.setLevel(logging.INFO)
    yield lines
    logger.setLevel(previous)
    logger.removeHandler(handler)


def test_on_a_terminal_the_bar_keeps_to_one_line(monkeypatch):
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    for _ in Tqdm.tqdm(range(50), desc="reading", mininterval=0, ncols=60, delay=0):
        pass
    text = stderr.getvalue()
    assert text.count("\n") == 0
    assert text.endswith(" \r")  # and the line is empty again
    assert text.count("\r") > 10
    assert "reading: 100%" in text


def test_in_a_file_each_refresh_is_a_line_and_refreshes_are_rare(monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    bar = Tqdm.tqdm(range(1000), desc="reading", delay=0)
    assert bar.mininterval == 10.0
    list(bar)
    text = stderr.getvalue()
    assert "\r" not in text
    assert 1 <= len(text.splitlines()) <= 3
    assert "100%" in text.splitlines()[-1]


def test_file_friendly_logging_writes_lines_even_on_a_terminal(monkeypatch):
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(common_logging, "FILE_FRIENDLY_LOGGING", True)
    bar = Tqdm.tqdm(range(3), mininterval=0)
    list(bar)
    assert "\r" not in stderr.getvalue()
    assert Tqdm.tqdm(range(3), disable=True).disable


def test_the_text_goes_to_the_log_at_the_end(monkeypatch, log_lines):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    list(Tqdm.tqdm(range(20), desc="epoch 1", mininterval=0, delay=0))
    assert log_lines
    assert "epoch 1: 100%" in log_lines[-1]
    assert len(log_lines) <= 3


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_what_is_over_soon_needs_no_bar(monkeypatch, stream):
    stderr = stream()
    monkeypatch.setattr(sys, "stderr", stderr)
    list(Tqdm.tqdm(range(20)))
    assert stderr.getvalue() == ""


def test_lock_is_shared():
    lock = Tqdm.get_lock()
    Tqdm.set_lock(lock)
    assert Tqdm.get_lock() is lock


def fork(work):
    """The number of a new process that does some work and ends; what threads this one has, the work leaves alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def ended(child, seconds=20.0):
    """Whether a process ends by itself; it is gone afterwards in any case."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_is_killed_while_it_writes_stops_no_other():
    def hold():
        Tqdm.get_lock().acquire()
        time.sleep(60)

    assert not ended(fork(hold), 0.5)
    assert Tqdm.get_lock().acquire(timeout=1)
    Tqdm.get_lock().release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_new_process_does_not_wait_for_threads_of_its_parent():
    held, done = threading.Event(), threading.Event()

    def hold():
        with Tqdm.get_lock():
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert held.wait(30)
    child = fork(lambda: list(Tqdm.tqdm(range(3), file=io.StringIO())))
    assert ended(child)
    done.set()
    thread.join(30)


def test_another_lock_may_be_set(monkeypatch):
    lock = threading.RLock()
    monkeypatch.setattr("nlpreg.common.tqdm._LoggingBar._lock", None)
    Tqdm.set_lock(lock)
    assert Tqdm.get_lock() is lock


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (60, "training: 45% 120/266, 31.2 batch/s, 00:04 left, loss 0.5120"),
        (80, "training: 45% 120/266, 31.2 batch/s, 00:04 left, loss 0.5120, accuracy 0.8300"),
        (
            120,
            "training: 45% 120/266, 31.2 batch/s, 00:04 left, loss 0.5120, accuracy 0.8300, accuracy3 0.9100"
            "  |" + "█" * 9 + "░" * 12 + "|",
        ),
    ],
)
def test_a_bar_shows_what_counts_at_every_width(columns: int, expected: str) -> None:
    bar = Tqdm.tqdm(total=266, disable=False, file=io.StringIO(), desc="training", unit="batch")
    bar.close()
    text = bar.format_meter(
        n=120,
        total=266,
        elapsed=4.0,
        ncols=columns,
        prefix="training: ",
        unit="batch",
        rate=31.2,
        postfix="loss 0.5120, accuracy 0.8300, accuracy3 0.9100",
    )
    assert text == expected
    assert len(text) <= columns


def test_no_bar_where_the_console_is_to_be_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common_logging, "WITHOUT_BARS", True)
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    for _ in Tqdm.tqdm(range(3), mininterval=0):
        pass
    assert stderr.getvalue() == ""


def test_in_a_notebook_a_bar_is_a_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shell:
        config: ClassVar = {"IPKernelApp": {}}

    module = types.ModuleType("IPython")
    module.get_ipython = Shell
    monkeypatch.setitem(sys.modules, "IPython", module)
    made = []
    monkeypatch.setattr("tqdm.auto.tqdm", lambda *args, **kwargs: made.append((args, kwargs)))
    Tqdm.tqdm([1, 2], desc="training")
    assert made == [(([1, 2],), {"desc": "training", "leave": False, "dynamic_ncols": True})]
    monkeypatch.setattr(common_logging, "WITHOUT_BARS", True)
    assert list(Tqdm.tqdm([1, 2])) == [1, 2]
