"""Processes that make things ahead of time and send them here."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import queue
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
from nlpreg.data.data_loaders.transport import from_bytes, to_bytes
from nlpreg.data.data_loaders.worker_error import WorkerError

# The first byte of a message says what the rest is.
_ITEM, _ERROR, _END = b"i", b"e", b"."

_SECONDS_TO_END = 5.0


class WorkerPool:
    """Worker processes, each making a sequence of items; used as a context manager.

    Each worker has a pipe of its own. It stays a limited number of items ahead of what has been received. A
    worker that raises, or dies, does not hang this process: the next item asked of it raises `WorkerError`.
    Workers end with the block, and when this process dies.

    Args:
        make_items: called in worker number `i` with `i` and gives its items; must pickle unless the start
            method is "fork".
        num_workers: how many workers.
        start_method: "fork", "spawn" or "forkserver".
        items_ahead: how many items a worker makes that have not been received.
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
        self._context: Any = multiprocessing.get_context(start_method)
        self._items_ahead = items_ahead
        self._processes: list[BaseProcess] = []
        self._connections: list[Connection] = []

    def __enter__(self) -> WorkerPool:
        try:
            for worker in range(self._num_workers):
                self._start(worker)
        except BaseException:
            self.close()
            raise
        return self

    def _start(self, worker: int) -> None:
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_run_worker,
            args=(worker, self._make_items, sender, self._items_ahead, run_seed()),
            daemon=True,
            name=f"nlpreg-data-worker-{worker}",
        )
        with warnings.catch_warnings():
            # Python 3.12 warns of any fork beside threads, and torch always has threads. The child uses one
            # thread of torch and none of the locks that those of the parent may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        # So that the pipe breaks when the worker dies, and that workers started later do not keep it open.
        sender.close()
        self._processes.append(process)
        self._connections.append(receiver)

    def receive(self, worker: int) -> tuple[bool, Any]:
        """Whether a worker has another item, and that item; waits until it is known.

        Raises:
            WorkerError: the worker raised, or died.
        """
        connection, process = self._connections[worker], self._processes[worker]
        try:
            ready = wait([connection, process.sentinel])
            if connection not in ready and not connection.poll():
                raise EOFError
            message = connection.recv_bytes()
        except (EOFError, OSError):
            raise self._death_of(worker) from None
        kind, content = message[:1], message[1:]
        if kind == _ERROR:
            raise WorkerError(*from_bytes(content))
        return (True, from_bytes(content)) if kind == _ITEM else (False, None)

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
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(_SECONDS_TO_END)
            if process.is_alive():
                process.kill()
                process.join()
        self._processes, self._connections = [], []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _run_worker(
    worker: int,
    make_items: Callable[[int], Iterator[Any]],
    connection: Connection,
    items_ahead: int,
    seed: int,
) -> None:
    """What a worker process does: make items, and send them from a second thread while it makes the next."""
    # Ctrl-C goes to every process of the terminal; the parent decides what it means and ends the workers
    # itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    gc.freeze()  # looking for garbage among what the parent has made would copy all of it, page by page
    torch.set_num_threads(
        1
    )  # more are of no use here, and after a fork may wait for threads that only the parent has
    set_run_seed(seed)
    messages: queue.Queue[bytes | None] = queue.Queue(items_ahead)
    sender = threading.Thread(target=_send_all, args=(connection, messages))
    sender.start()
    try:
        for item in make_items(worker):
            messages.put(_ITEM + to_bytes(item))
        messages.put(_END)
    except BaseException as error:  # whatever it is, it belongs in the parent
        messages.put(_ERROR + to_bytes((repr(error), traceback.format_exc())))
    messages.put(None)
    sender.join()
    connection.close()


def _send_all(connection: Connection, messages: queue.Queue[bytes | None]) -> None:
    """Send messages until there is a None; if nobody listens any more, end the process."""
    try:
        while (message := messages.get()) is not None:
            connection.send_bytes(message)
    except OSError:
        os._exit(0)


def _die_with_parent() -> None:
    """End this process when its parent has ended, however that happened."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
