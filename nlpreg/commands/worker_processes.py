"""Processes that work together: if one fails, the others are ended within seconds and its error is the outcome."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from nlpreg.commands.console import log_to_files
from nlpreg.commands.failures import RESUME_ME, WorkerFailure, describe
from nlpreg.common.signals import SigTermReceived, install_sigterm_handler

__all__ = ["run_all"]

PR_SET_PDEATHSIG = 1
SECONDS_FOR_REPORTS = 1.0
"""After the first failure: its cause may be another process, whose report is still on its way."""
SECONDS_TO_END = 5.0
SECONDS_TO_CHECKPOINT = 120.0


@dataclass
class _Report:
    """How a process failed; `time` is that of the failure, in seconds since the epoch."""

    time: float
    message: str
    status: int
    trace: str


@dataclass
class _Worker:
    process: BaseProcess
    reports: Connection
    report: _Report | None = None

    def receive(self) -> None:
        """Take the report, if there is one."""
        with contextlib.suppress(EOFError, OSError):
            if self.report is None and self.reports.poll():
                self.report = self.reports.recv()


def run_all(function: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> None:
    """Call a function in a new process for each tuple of arguments, and wait for all.

    SIGTERM is passed on to the processes, which then have time for a checkpoint; Ctrl-C likewise.

    Args:
        function: of a module's top level.
        arguments: must pickle.

    Raises:
        WorkerFailure: a process failed; the others were ended.
        KeyboardInterrupt: this process was interrupted.
        SigTermReceived: this process was asked to end.
    """
    context = multiprocessing.get_context("spawn")
    workers: list[_Worker] = []
    try:
        for rank, values in enumerate(arguments):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_main, args=(sender, function, values), name=f"worker {rank}")
            process.start()
            sender.close()
            workers.append(_Worker(process, receiver))
        _wait_for_all(workers)
    except (KeyboardInterrupt, SigTermReceived) as error:
        _end(workers, SECONDS_TO_CHECKPOINT)
        hint = next((worker.report.message for worker in workers if worker.report is not None), "")
        error.how_to_continue = hint  # type: ignore[union-attr]  # read by nlpreg.commands.failures
        raise
    finally:
        _end(workers, SECONDS_TO_END)


def _wait_for_all(workers: list[_Worker]) -> None:
    running = {worker.process.sentinel: worker for worker in workers}
    while running:
        for sentinel in wait(list(running)):
            assert isinstance(sentinel, int)
            worker = running.pop(sentinel)
            worker.process.join()
            if worker.process.exitcode != 0:
                _raise_failure(workers)


def _raise_failure(workers: list[_Worker]) -> None:
    """Find the failure that came first, and raise it."""
    deadline = time.monotonic() + SECONDS_FOR_REPORTS
    while time.monotonic() < deadline and any(worker.process.is_alive() for worker in workers):
        time.sleep(0.05)
    for worker in workers:
        worker.receive()
    for rank, worker in enumerate(workers):
        code = worker.process.exitcode
        if worker.report is None and code is not None and code != 0:
            # Killed from outside: what the others report is that they lost touch with it.
            raise WorkerFailure(rank, _how_it_ended(code), 1)
    failed = [(rank, worker.report) for rank, worker in enumerate(workers) if worker.report is not None]
    rank, first = min(failed, key=lambda item: item[1].time)
    raise WorkerFailure(rank, first.message, first.status, first.trace)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit status {code} without a word"
    name = signal.Signals(-code).name
    hint = "; the system does so when memory runs out" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"


def _end(workers: list[_Worker], seconds: float) -> None:
    """End the processes that are left: politely first, and by force after some seconds."""
    for worker in workers:
        if worker.process.is_alive():
            worker.process.terminate()
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.receive()


def _main(reports: Connection, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """The life of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one passes it on
    install_sigterm_handler()
    _end_with_parent()
    try:
        function(*arguments)
    except BaseException as error:
        if isinstance(error, (SigTermReceived, KeyboardInterrupt)) or hasattr(error, "how_to_continue"):
            _send(reports, _Report(time.time(), getattr(error, "how_to_continue", ""), RESUME_ME, ""))
            raise SystemExit(RESUME_ME) from None
        message, status = describe(error)
        log_to_files(message, error)
        _send(reports, _Report(time.time(), message, status, traceback.format_exc()))
        raise SystemExit(1) from None


def _send(reports: Connection, report: _Report) -> None:
    with contextlib.suppress(OSError):  # the process that would read it is gone
        reports.send(report)


def _end_with_parent() -> None:
    """Ask the system, where it can do so, to send SIGTERM to this process when the one that started it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
