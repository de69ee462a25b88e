"""The end of a process that talked to others: everything that matters is done, and then it is gone."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn

__all__ = ["end_process"]


def end_process(status: int) -> NoReturn:
    """End this process with an exit status once its work is complete.

    Threads that an orderly end waits for are waited for, exit handlers run, and what was printed is written. Then the
    process ends without the interpreter's tear-down: torch's threads for communication may ask for the interpreter's
    lock just then, and be ended by it in the middle of C++ code, which aborts the process after all its work.

    Args:
        status: the exit status.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # as `multiprocessing` ends its processes
    atexit._run_exitfuncs()  # that of `logging` among them
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError:  # a full disk, or a pipe that nobody reads
            status = status or 120  # as Python itself says then
    os._exit(status)
