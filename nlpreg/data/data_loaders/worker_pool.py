"""Processes that make things ahead of time and send them here."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

import torch

from nlpreg.common.randomness import run_seed, set_run_seed
from nlpreg.data.data_loaders.forking import WAITING_SIGNALS, good_moment
from nlpreg.data.data_loaders.outbox import NobodyListens, Outbox
from nlpreg.data.data_loaders.transport import from_bytes, to_bytes
from nlpreg.data.data_loaders.worker_error import WorkerError

# The first byte of a message says what the rest is.
_ITEM, _ERROR, _END = b"i", b"e", b"."

_SECONDS_TO_END = 5.0
_SECONDS_BETWEEN_LOOKS = 5.0
_LOOKS_AT_THE_IDLE = 120

# Held here, since the collector of a forgotten pass may close connections before the pool: the pool would close them again.
_OPEN: set[Connection] = set()


class WorkerPool:
    """Worker processes, each making a sequence of items; used as a context manager.

    Each worker has a pipe of its own, and no lock is shared with it. It stays a limited number of items ahead
    of what has been received. A worker that raises, dies, or waits for ever does not hang this process: the next
    item asked of it raises `WorkerError`. Workers end with the block, and when this process dies.

    Args:
        make_items: called in worker number `i` with `i` and gives its items; must pickle unless the start
            method is "fork".
        num_workers: how many workers.
        start_method: "fork", "spawn" or "forkserver".
        items_ahead: how many items a worker makes that have not been sent.
    """

    def __init__(
        self,
        make_items: Callable[[int], Iterator[Any]],
        num_workers: int,
        start_method: str = "fork",
        items_ahead: int = 16,
    ) -> None:
        self._make_items = make_items
        self._num_workers = num_workers
        self._forks = start_method == "fork"
        self._context: Any = multiprocessing.get_context(start_method)
        self._items_ahead = items_ahead
        self._owner = os.getpid()
        self._processes: list[BaseProcess] = []
        self._connections: list[Connection] = []

    def __enter__(self) -> WorkerPool:
        # What is given to a process of another start method goes into a pipe that is never seen to break, so
        # the work, which may be large, is sent when the process runs.
        work = b"" if self._forks else to_bytes(self._make_items)
        try:
            for worker in range(self._num_workers):
                self._start(worker)
            for worker in range(self._num_workers if work else 0):
                self._send_work(worker, work)
        except BaseException:
            self.close()
            raise
        return self

    def _start(self, worker: int) -> None:
        here, there = self._context.Pipe(duplex=not self._forks)
        process = self._context.Process(
            target=_run_worker,
            args=(worker, self._make_items if self._forks else None, there, self._items_ahead, run_seed()),
            daemon=True,
            name=f"nlpreg-data-worker-{worker}",
        )
        with warnings.catch_warnings(), good_moment() if self._forks else contextlib.nullcontext():
            # Python 3.12 warns of any fork beside threads, and torch always has threads. The child uses one
            # thread of torch and none of the locks that those of the parent may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        # So that the pipe breaks when the worker dies, and that workers started later do not keep it open.
        there.close()
        self._processes.append(process)
        self._connections.append(here)
        _OPEN.add(here)

    def _send_work(self, worker: int, work: bytes) -> None:
        try:
            self._connections[worker].send_bytes(work)
        except OSError:
            raise self._death_of(worker) from None

    def receive(self, worker: int) -> tuple[bool, Any]:
        """Whether a worker has another item, and that item; waits until it is known.

        Raises:
            WorkerError: the worker raised, or died, or waits for ever.
        """
        connection = self._connections[worker]
        try:
            if not connection.poll():
                self._wait_for(worker)
            message = connection.recv_bytes()
        except (EOFError, OSError):
            raise self._death_of(worker) from None
        kind, content = message[:1], memoryview(message)[1:]
        if kind == _ERROR:
            raise WorkerError(*from_bytes(content))
        return (True, from_bytes(content)) if kind == _ITEM else (False, None)

    def _wait_for(self, worker: int) -> None:
        """Wait for a message of a worker.

        Raises:
            EOFError: there will be none, for the worker has died.
            WorkerError: it seems that there never will be any, for the worker does nothing.
        """
        connection, process = self._connections[worker], self._processes[worker]
        idle_looks, before = 0, None
        while idle_looks < _LOOKS_AT_THE_IDLE:
            ready = wait([connection, process.sentinel], _SECONDS_BETWEEN_LOOKS)
            if connection in ready or (ready and connection.poll()):
                return
            if ready:
                raise EOFError
            now = _time_asleep_at(process.pid)
            idle_looks = idle_looks + 1 if now is not None and now == before else 0
            before = now
        raise WorkerError(
            f"nothing: worker {worker} (process {process.pid}) has waited for something, and done nothing else, for "
            f"{_LOOKS_AT_THE_IDLE * _SECONDS_BETWEEN_LOOKS:.0f} s",
            "none: it may read from a network that does not answer, or wait for a lock that another thread of this process "
            "held when the worker was forked; with start_method 'spawn' the latter cannot happen",
        )

    def receive_in_turn(self, given: list[int]) -> Iterator[tuple[int, Any]]:
        """The items of all workers, one of each in turn for as long as it has any, whichever is quicker.

        Args:
            given: how many items each worker had given before, which decides whose turn it is.

        Yields:
            The number of the worker, and its item.
        """
        counts = dict(enumerate(given))
        while counts:
            worker = min(counts, key=lambda one: (counts[one], one))
            has_item, item = self.receive(worker)
            if has_item:
                counts[worker] += 1
                yield worker, item
            else:
                del counts[worker]

    def _death_of(self, worker: int) -> WorkerError:
        """What to raise when a worker has gone without a word."""
        process = self._processes[worker]
        process.join(_SECONDS_TO_END)
        code = process.exitcode
        how = f"ended with exit code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                how = f"was killed by {signal.Signals(-code).name}"
        return WorkerError(
            f"nothing: worker {worker} (process {process.pid}) {how}",
            "none: the process ended without raising. If it was killed, the machine may have run out of memory: use fewer "
            "workers or a smaller max_instances_in_memory",
        )

    def close(self) -> None:
        """End all workers."""
        if os.getpid() != self._owner:  # a copy in a forked process; the workers are not its own
            return
        for connection in self._connections:
            connection.close()
        _OPEN.difference_update(self._connections)
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join(_SECONDS_TO_END)
        self._processes, self._connections = [], []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _run_worker(
    worker: int,
    make_items: Callable[[int], Iterator[Any]] | None,
    connection: Connection,
    items_ahead: int,
    seed: int,
) -> None:
    """What a worker process does: make items, and send them while it makes others."""
    # Ctrl-C goes to every process of the terminal; the parent decides what it means and ends the workers
    # itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WAITING_SIGNALS)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    gc.freeze()  # looking for garbage among what the parent has made would copy all of it, page by page
    # more are of no use here, and after a fork may wait for threads that only the parent has
    torch.set_num_threads(1)
    set_run_seed(seed)
    try:
        work = None if make_items is not None else connection.recv_bytes()
        outbox = Outbox(connection, items_ahead)
        try:
            for item in (make_items or from_bytes(work or b""))(worker):
                outbox.put(_ITEM, to_bytes(item))
            outbox.put(_END)
        except NobodyListens:
            raise
        except BaseException as error:  # whatever it is, it belongs in the parent
            outbox.put(_ERROR, to_bytes((_shown(error), traceback.format_exc())))
        outbox.flush()
    except (EOFError, NobodyListens):  # the parent has closed the pipe
        os._exit(0)


def _shown(error: BaseException) -> str:
    try:
        return repr(error)
    except Exception:  # a class of somebody else
        return type(error).__name__


def _time_asleep_at(process_id: int | None) -> tuple[str, ...] | None:
    """The processor time that a process has used, if it sleeps just now; None if it does not, or the system does not tell."""
    try:
        with open(f"/proc/{process_id}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return tuple(fields[11:13]) if fields[0] == "S" else None


def _die_with_parent() -> None:
    """End this process when its parent has ended, however that happened."""
    parent, started_by = multiprocessing.parent_process(), os.getppid()
    # other processes that the parent has started may hold the pipe open that tells of its end
    while parent is not None and os.getppid() == started_by:
        if wait([parent.sentinel], _SECONDS_BETWEEN_LOOKS):
            break
    if parent is not None:
        os._exit(1)
