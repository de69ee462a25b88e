"""A good moment to fork."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from typing import Any

from nlpreg.common.tqdm import Tqdm

_SECONDS_FOR_A_LOCK = 1.0
_KINDS_OF_LOCKS = (type(threading.Lock()), type(threading.RLock()))

WAITING_SIGNALS = {signal.SIGINT, signal.SIGTERM}
"""Those that a process forked in a `good_moment` must let through again."""


@contextlib.contextmanager
def good_moment() -> Iterator[None]:
    """Fork in this block, so that the new process gets no signal and no file in the middle of something.

    A file that another thread is writing to while we fork is locked in the new process for ever. So nobody logs or draws a
    progress bar meanwhile. Signals to this thread, which is all there is of the new process, wait until that lets them through.
    """
    with contextlib.ExitStack() as stack:
        for lock in [Tqdm.get_lock(), *(getattr(handler, "lock", None) for handler in _handlers())]:
            # not for ever, since whoever writes may hold one of them and want another
            if isinstance(lock, _KINDS_OF_LOCKS) and lock.acquire(timeout=_SECONDS_FOR_A_LOCK):
                stack.callback(lock.release)
        if hasattr(signal, "pthread_sigmask"):
            before = signal.pthread_sigmask(signal.SIG_BLOCK, WAITING_SIGNALS)
            stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        yield


def _handlers() -> list[Any]:
    """The handlers of all loggers."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = [handler for logger in loggers for handler in getattr(logger, "handlers", ())]
    return list(dict.fromkeys([*handlers, logging.lastResort]))
