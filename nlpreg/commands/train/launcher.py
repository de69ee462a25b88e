"""Local worker processes, started by torch's elastic launcher, the engine under torchrun.

Every worker finds its rank, and the store through which the processes meet, in the environment that torchrun sets. If
one fails, the others are ended within seconds, and its error is the outcome.
"""

import atexit
import contextlib
import ctypes
import glob
import json
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

from nlpreg.commands.console import log_to_files
from nlpreg.commands.failures import RESUME_ME, WorkerFailure, describe
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.runtime.process import (
    SigTermReceived,
    end_process,
    find_open_port,
    install_sigterm_handler,
    remove_unused_compiler_cache,
)

_PR_SET_PDEATHSIG = 1
_SECONDS_TO_BEGIN = 2.0
"""For a thread that was just being started when a signal came."""
SECONDS_FOR_CAUSES = 2.0
"""How long a worker that lost touch with another one keeps its error back: that of the other one is the cause."""
SECONDS_TO_END = 5.0
"""How long the other workers have after a failure."""
_SECONDS_TO_CHECKPOINT = 120.0
_SECONDS_TO_MEET = 900
"""How long machines wait for each other at the start."""

_SIGNS_OF_A_CONSEQUENCE = ("gloo", "nccl", "connection", "socket", "broken pipe", "store")


@dataclass(frozen=True)
class Machines:
    """The machines of a run, and which one this is.

    Args:
        address: of the first machine, as the others see it.
        port: a free port there; None for any, on a single machine.
        count: number of machines.
        rank: number of this one, from 0.
    """

    address: str = "127.0.0.1"
    port: int | None = None
    count: int = 1
    rank: int = 0


@dataclass(frozen=True)
class Interrupted:
    """What a worker returns that was asked to end, and did so together with all others.

    Args:
        how_to_continue: how to resume the run; empty if nothing was saved.
    """

    how_to_continue: str


class _Agent(threading.Thread):
    """Torch's launcher in a thread of its own: in the main thread it would take over the handling of signals."""

    def __init__(self, launch: Callable[[], dict[int, Any]]) -> None:
        super().__init__(name="launcher", daemon=True)
        self._launch = launch
        self.values: dict[int, Any] = {}
        self.error: BaseException | None = None
        # `join` takes the thread for ended, in Python 3.11, when a signal handler raises in the middle of it
        self.has_begun, self.has_ended = threading.Event(), threading.Event()

    def run(self) -> None:
        self.has_begun.set()
        try:
            self.values = self._launch()
        except BaseException as error:
            self.error = error
        self.has_ended.set()


def launch_processes(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    num_processes: int,
    machines: Machines = Machines(),
    start_method: str = "spawn",
    timeout: float | None = None,
) -> None:
    """Call a function in new processes, as torchrun would, and wait for all.

    SIGTERM and Ctrl-C are passed on to the processes, which then have time for a checkpoint.

    Args:
        function: of a module's top level.
        arguments: of the function, the same for all; must pickle.
        num_processes: number of processes of this machine.
        machines: the machines of the run.
        start_method: how processes are made, as in `multiprocessing`.
        timeout: seconds after which the processes are ended; never by default.

    Raises:
        WorkerFailure: a process failed; the others were ended.
        ConfigurationError: the machines cannot meet.
        KeyboardInterrupt: this process was interrupted.
        SigTermReceived: this process, or one that it started, was asked to end.
        TimeoutError: the processes took longer than `timeout`.
    """
    _quiet_trackers()
    with tempfile.TemporaryDirectory(prefix="nlpreg-") as folder, _quiet_torch():
        agent = _Agent(_launch_of(function, arguments, num_processes, machines, start_method, folder))
        try:
            agent.start()
            _watch(agent, folder, timeout)
        except (KeyboardInterrupt, SigTermReceived) as error:
            if agent.has_begun.wait(_SECONDS_TO_BEGIN):
                _end_politely(agent, folder)
            error.how_to_continue = _continuation(agent, folder)  # type: ignore[union-attr]  # for `failures`
            raise
        finally:
            if agent.has_begun.is_set() and not agent.has_ended.is_set():
                _signal_workers(folder, signal.SIGKILL)
                agent.has_ended.wait(SECONDS_TO_END)
        _raise_outcome(agent, folder, machines)


def is_consequence(message: str) -> bool:
    """Whether an error looks like that of a process which noticed that another one is gone."""
    return any(sign in message.lower() for sign in _SIGNS_OF_A_CONSEQUENCE)


def _launch_of(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    num_processes: int,
    machines: Machines,
    start_method: str,
    folder: str,
) -> Callable[[], dict[int, Any]]:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    port = machines.port or find_open_port()
    config = LaunchConfig(
        min_nodes=machines.count,
        max_nodes=machines.count,
        nproc_per_node=num_processes,
        run_id="nlpreg",
        # The number of machines is fixed, and failed processes are not replaced.
        rdzv_backend="static",
        rdzv_endpoint=f"{machines.address}:{port}",
        rdzv_configs={"rank": machines.rank, "timeout": _SECONDS_TO_MEET},
        local_addr=machines.address,  # otherwise the name of this machine is looked up, which may take long
        max_restarts=0,
        start_method=start_method,
        logs_specs=DefaultLogsSpecs(log_dir=folder),
    )
    launch = elastic_launch(config, _worker)
    return lambda: launch(function, arguments, {"start_method": start_method, "folder": folder})


def _watch(agent: _Agent, folder: str, timeout: float | None) -> None:
    """Wait until all have ended; end those by force that do not end after a failure."""
    started, failed_at = time.monotonic(), None
    while not agent.has_ended.wait(0.2):
        now = time.monotonic()
        if timeout is not None and now - started > timeout:
            raise TimeoutError(f"the processes were not done after {timeout:.0f} s")
        if failed_at is None and _reports(folder):
            failed_at = now
        # torch gives a process that is stuck in C++ code half a minute
        if failed_at is not None and now - failed_at > SECONDS_FOR_CAUSES + SECONDS_TO_END:
            _signal_workers(folder, signal.SIGKILL)


def _end_politely(agent: _Agent, folder: str) -> None:
    """Ask the workers to end, also those that are only starting, and give them time for a checkpoint."""
    asked: set[int] = set()
    deadline = time.monotonic() + _SECONDS_TO_CHECKPOINT
    while not agent.has_ended.wait(0.1) and time.monotonic() < deadline:
        asked |= _signal_workers(folder, signal.SIGTERM, asked)


def _signal_workers(folder: str, number: int, but_not: Collection[int] = ()) -> set[int]:
    """Send a signal to the workers by their numbers: only torch may wait for them, so their handles are its own."""
    found = {int(path.rpartition("-")[2]) for path in glob.glob(os.path.join(folder, "pid-*"))}
    for pid in found - set(but_not):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return found


def _reports(folder: str) -> list[dict[str, Any]]:
    """What the workers that failed have written, the first failure first."""
    found = []
    for path in glob.glob(os.path.join(folder, "**", "error.json"), recursive=True):
        with contextlib.suppress(ValueError), open(path, encoding="utf-8") as file:
            found.append(json.load(file)["message"]["extraInfo"])
    return sorted(found, key=lambda report: (is_consequence(report["reason"]), report["time"]))


def _continuation(agent: _Agent, folder: str) -> str:
    """What the workers say about resuming."""
    hints = [value.how_to_continue for value in agent.values.values() if isinstance(value, Interrupted)]
    hints += [report["how_to_continue"] for report in _reports(folder)]
    return next((hint for hint in hints if hint), "")


def _raise_outcome(agent: _Agent, folder: str, machines: Machines) -> None:
    """Raise what ended the processes, unless all is well."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    if isinstance(agent.error, ChildFailedError):
        rank, failure = agent.error.get_first_failure()
        reports = _reports(folder)
        if not any(report["from"] == rank for report in reports):
            # Killed from outside: what the others report is that they lost touch with it, or were told to end.
            raise WorkerFailure(rank, _how_it_ended(failure.exitcode), 1)
        first = reports[0]
        if first["status"] == RESUME_ME:
            _raise_request("a process was asked to end", first["how_to_continue"])
        raise WorkerFailure(first["rank"], first["reason"], first["status"], first["trace"])
    if agent.error is not None:
        raise ConfigurationError(
            f"distributed: the machines cannot meet at {machines.address}:{machines.port} "
            f"({str(agent.error).partition(chr(10))[0]}); give another primary_port, and make sure that the first "
            "machine, with --node-rank 0, is running"
        ) from agent.error
    if any(isinstance(value, Interrupted) for value in agent.values.values()):
        _raise_request("the processes were asked to end", _continuation(agent, folder))


def _raise_request(reason: str, how_to_continue: str) -> None:
    error = SigTermReceived(reason)
    error.how_to_continue = how_to_continue  # type: ignore[attr-defined]  # read by nlpreg.commands.failures
    raise error


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit status {code} without a message"
    name = signal.Signals(-code).name
    hint = "; the system does so when memory runs out" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"


def _quiet_trackers() -> None:
    """Start `multiprocessing`'s resource tracker such that it keeps quiet.

    After a worker was killed it would warn of the semaphores that are left, and thereby push the error, printed before,
    off the end of the output. It removes them either way.
    """
    if sys.platform == "win32":
        return
    name, before = "PYTHONWARNINGS", os.environ.get("PYTHONWARNINGS")
    rule = "ignore::UserWarning:multiprocessing.resource_tracker"
    os.environ[name] = f"{before},{rule}" if before else rule
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextlib.contextmanager
def _quiet_torch() -> Iterator[None]:
    """Keep torch's launcher from telling in its own words what `WorkerFailure` tells."""
    loggers = [
        logging.getLogger(name) for name in ("torch.distributed.elastic", "torch.multiprocessing.spawn")
    ]
    silence = logging.NullHandler()
    before = [log.propagate for log in loggers]
    for log in loggers:
        log.addHandler(silence)
        log.propagate = False
    try:
        yield
    finally:
        for log, propagates in zip(loggers, before, strict=True):
            log.removeHandler(silence)
            log.propagate = propagates


# In a worker


def _worker(function: Callable[..., Any], arguments: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """The life of a worker: the function, and a report of how it failed in the file that the launcher reads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the launcher passes it on
    install_sigterm_handler()
    _end_with_parent()
    note = os.path.join(settings["folder"], f"pid-{os.getpid()}")
    with open(note, "w"):
        pass
    try:
        value = function(*arguments)
    except BaseException as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending
        _report(error)
        with contextlib.suppress(OSError):
            os.remove(note)  # the number is free for another process from here on
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        remove_unused_compiler_cache()
        # Immediately: a normal exit could wait forever for processes that wait for this one.
        os._exit(1)
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # it is ending, and its exit handlers are not to be broken off
    atexit.register(remove_unused_compiler_cache)
    if settings["start_method"] == "spawn":  # a forked one is gone when this function returns
        atexit.register(_leave)
    return value


def _report(error: BaseException) -> None:
    """Write why this worker ends to the file that the launcher, ours or torchrun, reads."""
    rank, trace = int(os.environ["RANK"]), ""
    if isinstance(error, (SigTermReceived, KeyboardInterrupt)):
        reason, status = "asked to end", RESUME_ME
    elif isinstance(error, WorkerFailure):  # that of another process, perhaps on another machine
        rank, reason, status = error.rank or 0, error.reason, error.status
    else:
        reason, status = describe(error)
        trace = traceback.format_exc()
        log_to_files(reason, error)
    now = time.time()
    if is_consequence(reason):
        time.sleep(SECONDS_FOR_CAUSES)
    information = {
        "py_callstack": trace,
        "timestamp": str(int(now)),
        "time": now,
        "from": int(os.environ["RANK"]),
        "rank": rank,
        "reason": reason,
        "status": status,
        "trace": trace,
        "how_to_continue": getattr(error, "how_to_continue", ""),
    }
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        with contextlib.suppress(OSError):  # the process that would read it is gone
            from nlpreg.common.files import atomic_write

            with atomic_write(path) as file:
                file.write(json.dumps({"message": {"message": reason, "extraInfo": information}}).encode())


def _leave() -> None:
    """End the process as the first of its exit handlers: see `end_process`."""
    atexit.unregister(_leave)
    end_process(0)


def _end_with_parent() -> None:
    """Ask the system, where it can do so, to send SIGTERM to this process when the one that started it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        parent = multiprocessing.parent_process()
        if parent is not None and os.getppid() != parent.pid:  # it went before it could be asked
            raise SystemExit(1)
