"""Worker processes that make items ahead of time and send them to the process that uses them."""

import contextlib
import gc
import io
import logging
import multiprocessing
import multiprocessing.util
import os
import pickle
import select
import signal
import struct
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.runtime.environment import run_seed, set_run_seed
from nlpreg.common.tqdm import Tqdm
from nlpreg.data.columns import smallest


class WorkerError(Exception):
    """An error in a worker of a data loader.

    Args:
        original_err_repr: the error as `repr` shows it.
        traceback: where in the worker it was raised, as one text or as lines.
    """

    def __init__(self, original_err_repr: str, traceback: str | Sequence[str]) -> None:
        text = traceback if isinstance(traceback, str) else "".join(traceback)
        super().__init__(
            f"a worker of the data loader raised {original_err_repr}\n\nTraceback from the worker:\n{text}"
        )
        self.original_err_repr = original_err_repr
        self.traceback = traceback

    def __reduce__(self) -> "tuple[type[WorkerError], tuple[str, str | Sequence[str]]]":
        return type(self), (self.original_err_repr, self.traceback)


class WorkerConfigurationError(WorkerError, ConfigurationError):
    """A worker found a mistake in the config or the data, such as a line that cannot be read.

    The message is that of the worker's error alone, as it would be without a worker.

    Args:
        original_err_repr: the message.
        traceback: see `WorkerError`.
    """

    def __str__(self) -> str:
        return self.original_err_repr


def as_worker_error(error: BaseException) -> WorkerError:
    """The error to raise in the main process for one in a worker, or in what is done in place of a worker."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, ConfigurationError):
        return WorkerConfigurationError(str(error), trace)
    return WorkerError(_safe_repr(error), trace)


# Tensors of fewer elements are sent as they are.
_MIN_SIZE_TO_NARROW = 256


class _Pickler(pickle.Pickler):
    """Sends tensors as bytes: torch's way, a shared-memory file for each, costs more than a small copy."""

    def reducer_override(self, obj: Any) -> Any:
        """How to pickle a tensor; anything else is pickled as usual."""
        if type(obj) is not torch.Tensor:
            return NotImplemented
        try:
            values = obj.numpy()
        except (RuntimeError, TypeError):  # on a GPU, sparse, with a gradient, or of a type that numpy lacks
            return NotImplemented
        sent = _narrowed(values)
        return _as_tensor, (sent.tobytes(), sent.dtype.char, values.dtype.char, *values.shape)


def _narrowed(values: NDArray[Any]) -> NDArray[Any]:
    """The same values; ids in the smallest type that holds them, since fewer bytes are sent faster."""
    if values.dtype != np.int64 or values.size < _MIN_SIZE_TO_NARROW or values.min() < 0:
        return values
    return smallest(values)


def _as_tensor(data: bytes, sent_type: str, own_type: str, *shape: int) -> torch.Tensor:
    """The tensor that was sent."""
    # a copy in any case, since bytes cannot be written to
    return torch.from_numpy(np.frombuffer(data, sent_type).astype(own_type).reshape(shape))


def to_bytes(obj: Any) -> bytes:
    """An object as bytes."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(obj)
    return buffer.getvalue()


def from_bytes(data: bytes | memoryview) -> Any:
    """The object that `to_bytes` was given, in the process that made or started it."""
    return pickle.loads(data)


# The capacity that Linux lets any process set.
_PIPE_BYTES = 1 << 20

_MAX_SHORT_LENGTH = 0x7FFFFFFF


class BrokenWorkerPipe(Exception):
    """The process at the other end has closed the pipe or has ended."""


class Outbox:
    """Messages waiting to be written to a pipe, in the form that `Connection.recv_bytes` expects.

    A message is written to the pipe right away as far as there is room, and the rest with the next one. So a process
    works ahead of its reader without a second thread, which would compete for Python's global lock.

    Args:
        connection: where to send; nothing else writes to it.
        size: how many messages may wait.

    Raises:
        BrokenWorkerPipe: (when sending) the process at the other end is gone.
    """

    def __init__(self, connection: Connection, size: int) -> None:
        self._connection = connection
        self._size = size
        self._waiting: deque[memoryview] = deque()
        if os.name == "nt":  # where there is no way to send a part
            return
        os.set_blocking(connection.fileno(), False)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLOUT)
        with contextlib.suppress(
            ImportError, AttributeError, OSError
        ):  # a pipe of another system, or a socket
            import fcntl

            fcntl.fcntl(connection, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def put(self, *parts: bytes) -> None:
        """Send the parts of a message as soon as possible; block only if too many messages are waiting."""
        message = b"".join(parts)
        if os.name == "nt":
            self._connection.send_bytes(message)
            return
        self._waiting += [memoryview(_header(len(message))), memoryview(message)]
        self._send(most_left=2 * self._size)

    def flush(self) -> None:
        """Wait until everything is sent."""
        self._send(most_left=0)

    def _send(self, most_left: int) -> None:
        while self._waiting:
            try:
                sent = os.write(self._connection.fileno(), self._waiting[0])
            except BlockingIOError:
                if len(self._waiting) <= most_left:
                    return
                self._poll.poll()
                continue
            except (BrokenPipeError, ConnectionResetError) as error:
                raise BrokenWorkerPipe(str(error)) from error
            rest = self._waiting[0][sent:]
            if rest:
                self._waiting[0] = rest
            else:
                self._waiting.popleft()


def _header(size: int) -> bytes:
    """The length of a message."""
    if size <= _MAX_SHORT_LENGTH:
        return struct.pack("!i", size)
    return struct.pack("!iQ", -1, size)


_SECONDS_FOR_A_LOCK = 1.0
_LOCK_TYPES = (type(threading.Lock()), type(threading.RLock()))

_BLOCKED_SIGNALS = {signal.SIGINT, signal.SIGTERM}
"""Those that a process forked in a `safe_to_fork` must let through again."""


@contextlib.contextmanager
def safe_to_fork() -> Iterator[None]:
    """Block signals and hold the locks of logs and progress bars in this block, so that it is safe to fork.

    A lock that another thread holds during the fork is never released in the new process. Signals to this thread, the
    only one that the new process has, wait until it unblocks them.
    """
    with contextlib.ExitStack() as stack:
        for lock in [Tqdm.get_lock(), *(getattr(handler, "lock", None) for handler in _handlers())]:
            # with a time limit, since a writing thread may hold one of them and wait for another
            if isinstance(lock, _LOCK_TYPES) and lock.acquire(timeout=_SECONDS_FOR_A_LOCK):
                stack.callback(lock.release)
        if hasattr(signal, "pthread_sigmask"):
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED_SIGNALS)
            stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        yield


def _handlers() -> list[Any]:
    """The handlers of all loggers."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = [handler for logger in loggers for handler in getattr(logger, "handlers", ())]
    return list(dict.fromkeys([*handlers, logging.lastResort]))


# The first byte of a message says what the rest is.
_ITEM, _ERROR, _END = b"i", b"e", b"."

_SECONDS_TO_END = 5.0
_SECONDS_BETWEEN_CHECKS = 5.0
_MAX_IDLE_CHECKS = 120

# Keeps open connections alive: when an abandoned iterator is garbage-collected, its connections may be finalized before
# the pool, which would then close them twice.
_OPEN: set[Connection] = set()


class WorkerPool:
    """Worker processes, each making a sequence of items; used as a context manager.

    Each worker has a pipe of its own, and no lock is shared with it. It stays a limited number of items ahead
    of what has been received. A worker that raises, dies or hangs does not block this process: the next `receive` from
    it raises `WorkerError`. Workers end with the block, and when this process dies.

    Args:
        make_items: called in worker number `i` with `i`; returns its items; must pickle unless the start
            method is "fork".
        num_workers: how many workers.
        start_method: "fork", "spawn" or "forkserver".
        items_ahead: number of items that a worker may have made but not sent.
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
        self._finalizers: list[multiprocessing.util.Finalize] = []

    def __enter__(self) -> "WorkerPool":
        # With the other start methods, arguments are written to a pipe whose breaking is not noticed. So the work,
        # which may be large, is sent when the process runs.
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
        with warnings.catch_warnings(), safe_to_fork() if self._forks else contextlib.nullcontext():
            # Python 3.12 warns of any fork of a process with threads, and torch always has threads. The child uses one
            # thread of torch and none of the locks that those of the parent may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        # So that the pipe breaks when the worker dies, and that workers started later do not keep it open.
        there.close()
        # Workers ignore SIGTERM, so `multiprocessing` must not try to end them by it when this process ends.
        self._finalizers.append(multiprocessing.util.Finalize(None, process.kill, exitpriority=1))
        self._processes.append(process)
        self._connections.append(here)
        _OPEN.add(here)

    def _send_work(self, worker: int, work: bytes) -> None:
        try:
            self._connections[worker].send_bytes(work)
        except OSError:
            raise self._exit_error(worker) from None

    def receive(self, worker: int) -> tuple[bool, Any]:
        """Receive the next item of a worker; blocks until there is one, or none will come.

        Raises:
            WorkerError: the worker raised, died or hangs.
        """
        connection = self._connections[worker]
        try:
            if not connection.poll():
                self._wait_for(worker)
            message = connection.recv_bytes()
        except (EOFError, OSError):
            raise self._exit_error(worker) from None
        kind, content = message[:1], memoryview(message)[1:]
        if kind == _ERROR:
            raise from_bytes(content)
        return (True, from_bytes(content)) if kind == _ITEM else (False, None)

    def _wait_for(self, worker: int) -> None:
        """Wait for a message of a worker.

        Raises:
            EOFError: the worker has died.
            WorkerError: the worker hangs.
        """
        connection, process = self._connections[worker], self._processes[worker]
        idle_checks, before = 0, None
        while idle_checks < _MAX_IDLE_CHECKS:
            ready = wait([connection, process.sentinel], _SECONDS_BETWEEN_CHECKS)
            if connection in ready or (ready and connection.poll()):
                return
            if ready:
                raise EOFError
            now = _cpu_time_if_sleeping(process.pid)
            idle_checks = idle_checks + 1 if now is not None and now == before else 0
            before = now
        raise WorkerError(
            f"nothing: worker {worker} (process {process.pid}) has been waiting, without using the CPU, for "
            f"{_MAX_IDLE_CHECKS * _SECONDS_BETWEEN_CHECKS:.0f} s",
            "none: it may read from a network that does not answer, or wait for a lock that another thread of this process "
            "held when the worker was forked; with start_method 'spawn' the latter cannot happen",
        )

    def receive_in_turn(self, given: list[int]) -> Iterator[tuple[int, Any]]:
        """The items of all workers, one of each in turn as long as it has any, whichever worker is faster.

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

    def _exit_error(self, worker: int) -> WorkerError:
        """The error to raise when a worker has ended without reporting one."""
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
        if os.getpid() != self._owner:  # a copy in a forked process, which does not own the workers
            return
        for connection in self._connections:
            connection.close()
        _OPEN.difference_update(self._connections)
        for finalizer in self._finalizers:
            finalizer.cancel()
        self._finalizers = []
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
    # the command `timeout` sends SIGTERM to the whole process group as well
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED_SIGNALS)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    gc.freeze()  # garbage collection would touch, and so copy, every page that is shared with the parent
    # more threads do not help, and after a fork they may wait for threads that only the parent has
    torch.set_num_threads(1)
    set_run_seed(seed)
    try:
        work = None if make_items is not None else connection.recv_bytes()
        outbox = Outbox(connection, items_ahead)
        try:
            for item in (make_items or from_bytes(work or b""))(worker):
                outbox.put(_ITEM, to_bytes(item))
            outbox.put(_END)
        except BrokenWorkerPipe:
            raise
        except BaseException as error:  # any error is passed to the parent
            outbox.put(_ERROR, to_bytes(as_worker_error(error)))
        outbox.flush()
    except (EOFError, BrokenWorkerPipe):  # the parent has closed the pipe
        os._exit(0)


def _safe_repr(error: BaseException) -> str:
    try:
        return repr(error)
    except Exception:  # of an exception class whose `repr` fails
        return type(error).__name__


def _cpu_time_if_sleeping(process_id: int | None) -> tuple[str, ...] | None:
    """The CPU time that a process has used, if it is sleeping; None if it is not, or if the system does not tell."""
    try:
        with open(f"/proc/{process_id}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return tuple(fields[11:13]) if fields[0] == "S" else None


def _die_with_parent() -> None:
    """End this process when its parent has ended, however that happened."""
    parent, started_by = multiprocessing.parent_process(), os.getppid()
    # the pipe does not break as long as other processes that the parent started hold it open
    while parent is not None and os.getppid() == started_by:
        if wait([parent.sentinel], _SECONDS_BETWEEN_CHECKS):
            break
    if parent is not None:
        os._exit(1)
