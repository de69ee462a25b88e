import io
import logging
import signal
import threading
import time

import pytest

from nlpreg.data.data_loaders import forking
from nlpreg.data.data_loaders.forking import good_moment


class SlowStream(io.StringIO):
    """Takes its time to write, and knows whether it is at it."""

    writing = False

    def write(self, text: str) -> int:
        self.writing = True
        time.sleep(0.002)
        self.writing = False
        return super().write(text)


@pytest.fixture
def stream() -> SlowStream:
    return SlowStream()


@pytest.fixture
def logger(stream: SlowStream) -> logging.Logger:
    logger = logging.Logger("test_forking", logging.INFO)
    logger.addHandler(logging.StreamHandler(stream))
    logging.root.manager.loggerDict["test_forking"] = logger
    yield logger
    del logging.root.manager.loggerDict["test_forking"]


def test_nobody_else_is_in_the_middle_of_writing(logger: logging.Logger, stream: SlowStream) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            logger.info("something")

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        for _ in range(20):
            time.sleep(0.003)
            with good_moment():
                assert not stream.writing
                before = stream.getvalue()
                time.sleep(0.004)
                assert stream.getvalue() == before
    finally:
        stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_lock_that_is_not_given_back_is_not_waited_for_long(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "_SECONDS_FOR_A_LOCK", 0.01)
    taken, done = threading.Event(), threading.Event()

    def keep() -> None:
        with logger.handlers[0].lock:  # type: ignore[union-attr]  # it has one
            taken.set()
            done.wait(10)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    assert taken.wait(10)
    with good_moment():
        pass
    done.set()
    thread.join(10)


def test_signals_come_afterwards() -> None:
    caught = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
    try:
        with good_moment():
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            assert not caught
        assert caught == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
