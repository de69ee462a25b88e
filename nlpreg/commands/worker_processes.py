"""Processes that work together: if one fails, the others are ended within seconds and its error is the outcome."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
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
from nlpreg.common.process_end import end_process
from nlpreg.common.signals import SigTermReceived, install_sigterm_handler

__all__ = ["is_consequence", "run_all"]

PR_SET_PDEATHSIG = 1
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_FOR_REPORTS = 1.0
"""After the first failure: its cause may be another process, whose report is still on its way."""
SECONDS_TO_END = 5.0
SECONDS_TO_CHECKPOINT = 120.0

SIGNS_OF_A_CONSEQUENCE = ("gloo", "nccl", "connection", "socket", "broken pipe", "store")


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
    is_open: bool = True

    def receive(self) -> None:
        """Take the report, if there is one."""
        try:
            if self.is_open and self.reports.poll():
                self.report = self.reports.recv()
                self.is_open = False
        except (EOFError, OSError):
            self.is_open = False

    def has_failed(self) -> bool:
        """Whether it has reported a failure, or ended in one."""
        return self.report is not None or bool(self.process.exitcode)


def run_all(
    function: Callable[..., None],
    arguments: Sequence[tuple[Any, ...]],
    first_rank: int = 0,
    look: Callable[[], None] | None = None,
    start_method: str = "spawn",
) -> None:
    """Call a function in a new process for each tuple of arguments, and wait for all.

    SIGTERM is passed on to the processes, which then have time for a checkpoint; Ctrl-C likewise.

    Args:
        function: of a module's top level.
        arguments: must pickle.
        first_rank: number of the first process in messages.
        look: called each second; whatever it raises ends the processes.
        start_method: how processes are made, as in `multiprocessing`.

    Raises:
        WorkerFailure: a process failed; the others were ended.
        KeyboardInterrupt: this process was interrupted.
        SigTermReceived: this process, or one that it started, was asked to end.
    """
    context: Any = multiprocessing.get_context(start_method)
    workers: list[_Worker] = []
    try:
        for rank, values in enumerate(arguments, first_rank):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=_main, args=(sender, function, values, start_method), name=f"worker {rank}"
            )
            process.start()
            sender.close()
            workers.append(_Worker(process, receiver))
        _wait_for_all(workers, first_rank, look or _do_nothing)
    except (KeyboardInterrupt, SigTermReceived) as error:
        _end(workers, SECONDS_TO_CHECKPOINT)
        hint = next((worker.report.message for worker in workers if worker.report is not None), "")
        error.how_to_continue = hint  # type: ignore[union-attr]  # read by nlpreg.commands.failures
        raise
    finally:
        _end(workers, SECONDS_TO_END)


def is_consequence(message: str) -> bool:
    """Whether an error looks like that of a process which noticed that another one is gone."""
    return any(sign in message.lower() for sign in SIGNS_OF_A_CONSEQUENCE)


def _do_nothing() -> None:
    pass


def _wait_for_all(workers: list[_Worker], first_rank: int, look: Callable[[], None]) -> None:
    """Wait until all have ended; a report is taken at once, since a long one fills the pipe and its sender waits."""
    running = list(workers)
    while running:
        signs = [worker.process.sentinel for worker in running]
        wait([*signs, *(worker.reports for worker in running if worker.is_open)], SECONDS_BETWEEN_LOOKS)
        for worker in running:
            worker.receive()
        if any(worker.has_failed() for worker in running):
            _raise_failure(workers, first_rank)
        running = [worker for worker in running if worker.process.exitcode is None]
        look()


def _raise_failure(workers: list[_Worker], first_rank: int) -> None:
    """Find the failure that came first, and raise it."""
    deadline = time.monotonic() + SECONDS_FOR_REPORTS
    while time.monotonic() < deadline and not all(
        worker.has_failed() or worker.process.exitcode == 0 for worker in workers
    ):
        time.sleep(0.05)
        for worker in workers:
            worker.receive()
    for rank, worker in enumerate(workers, first_rank):
        code = worker.process.exitcode
        worker.receive()  # after that, since a report is sent before the process ends
        if worker.report is None and code:
            # Killed from outside: what the others report is that they lost touch with it.
            raise WorkerFailure(rank, _how_it_ended(code), 1)
    failed = [
        (is_consequence(worker.report.message), worker.report.time, rank, worker.report)
        for rank, worker in enumerate(workers, first_rank)
        if worker.report is not None
    ]
    *_, rank, first = min(failed, key=lambda item: item[:3])
    if first.status == RESUME_ME:
        raise SigTermReceived("a process was asked to end")
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
    while time.monotonic() < deadline and any(worker.process.is_alive() for worker in workers):
        wait([worker.process.sentinel for worker in workers if worker.process.is_alive()], 0.1)
        for worker in workers:
            worker.receive()
    for worker in workers:
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(SECONDS_TO_END)
        worker.receive()


def _main(
    reports: Connection, function: Callable[..., None], arguments: tuple[Any, ...], start_method: str
) -> None:
    """The life of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one passes it on
    install_sigterm_handler()
    _end_with_parent()
    try:
        function(*arguments)
    except BaseException as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending
        if isinstance(error, (SigTermReceived, KeyboardInterrupt)) or hasattr(error, "how_to_continue"):
            report = _Report(time.time(), getattr(error, "how_to_continue", ""), RESUME_ME, "")
        else:
            message, status = describe(error)
            log_to_files(message, error)
            report = _Report(time.time(), message, status, traceback.format_exc())
        with contextlib.suppress(OSError):  # the process that would read it is gone
            reports.send(report)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # At once: an orderly end may wait for ever for processes that wait for this one.
        os._exit(RESUME_ME if report.status == RESUME_ME else 1)
    if start_method == "spawn":  # a forked one has no end of its own: it is gone when this function returns
        end_process(0)


def _end_with_parent() -> None:
    """Ask the system, where it can do so, to send SIGTERM to this process when the one that started it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        parent = multiprocessing.parent_process()
        if parent is not None and os.getppid() != parent.pid:  # it went before it could be asked
            raise SystemExit(1)
