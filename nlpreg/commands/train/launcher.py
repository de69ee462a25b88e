"""Local worker processes, started by torch's elastic launcher, which torchrun uses too.

Every worker reads its rank, and the address for the rendezvous, from the environment that the launcher sets. If one fails,
the others are terminated within seconds, and its error is raised.
"""

import atexit
import contextlib
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
from nlpreg.common.runtime import process

_SECONDS_TO_BEGIN = 2.0
"""Waiting time for a launcher thread that was being started when a signal arrived."""
SECONDS_FOR_CAUSES = 2.0
"""Delay of the report of a worker that lost the connection to another one, whose error is the cause."""
SECONDS_TO_END = 5.0
"""Time limit for the other workers to end after a failure."""
_SECONDS_TO_CHECKPOINT = 120.0
_RENDEZVOUS_SECONDS = 900
"""Time limit of the rendezvous of the machines."""

_SIGNS_OF_A_CONSEQUENCE = ("gloo", "nccl", "connection", "socket", "broken pipe", "store")


@dataclass(frozen=True)
class Machines:
    """The machines of a run.

    Args:
        address: address of the first machine, as seen from the others.
        port: a free port there; None for any, on a single machine.
        count: number of machines.
        rank: number of this machine, from 0.
    """

    address: str = "127.0.0.1"
    port: int | None = None
    count: int = 1
    rank: int = 0


@dataclass(frozen=True)
class Interrupted:
    """The result of a worker that was asked to stop, and stopped together with all others.

    Args:
        how_to_continue: how to resume the run; empty if nothing was saved.
    """

    how_to_continue: str


class _LauncherThread(threading.Thread):
    """Runs torch's launcher in a separate thread; in the main thread it would install its own signal handlers."""

    def __init__(self, launch: Callable[[], dict[int, Any]]) -> None:
        super().__init__(name="launcher", daemon=True)
        self._launch = launch
        self.values: dict[int, Any] = {}
        self.error: BaseException | None = None
        # events, because `join` of Python 3.11 regards the thread as ended when a signal handler raises during the call
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
    """Call a function in new processes, as torchrun would, and wait for all of them.

    SIGTERM and Ctrl-C are forwarded to the processes, which then have time to save a checkpoint.

    Args:
        function: a function at the top level of a module.
        arguments: arguments of the function, the same in all processes; must be picklable.
        num_processes: number of processes on this machine.
        machines: the machines of the run.
        start_method: start method of `multiprocessing`.
        timeout: seconds after which the processes are killed; never by default.

    Raises:
        WorkerFailure: a process failed; the others were terminated.
        ConfigurationError: the rendezvous of the machines failed.
        KeyboardInterrupt: this process was interrupted.
        SigTermReceived: this process, or one that it started, received SIGTERM.
        TimeoutError: the processes took longer than `timeout`.
    """
    _quiet_trackers()
    with tempfile.TemporaryDirectory(prefix="nlpreg-") as folder, _quiet_torch():
        agent = _LauncherThread(
            _launch_of(function, arguments, num_processes, machines, start_method, folder)
        )
        try:
            agent.start()
            _watch(agent, folder, timeout)
        except (KeyboardInterrupt, process.SigTermReceived) as error:
            if agent.has_begun.wait(_SECONDS_TO_BEGIN):
                _terminate(agent, folder)
            error.how_to_continue = _continuation(agent, folder)  # type: ignore[union-attr]  # for `failures`
            raise
        finally:
            if agent.has_begun.is_set() and not agent.has_ended.is_set():
                _signal_workers(folder, signal.SIGKILL)
                agent.has_ended.wait(SECONDS_TO_END)
        _raise_outcome(agent, folder, machines)


def is_consequence(message: str) -> bool:
    """Whether a message is typical for a process that lost the connection to another one."""
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

    port = machines.port or process.find_open_port()
    config = LaunchConfig(
        min_nodes=machines.count,
        max_nodes=machines.count,
        nproc_per_node=num_processes,
        run_id="nlpreg",
        # "static" because the number of machines is fixed and failed processes are not restarted
        rdzv_backend="static",
        rdzv_endpoint=f"{machines.address}:{port}",
        rdzv_configs={"rank": machines.rank, "timeout": _RENDEZVOUS_SECONDS},
        local_addr=machines.address,  # avoids looking up the name of this machine, which may be slow
        max_restarts=0,
        start_method=start_method,
        logs_specs=DefaultLogsSpecs(log_dir=folder),
    )
    launch = elastic_launch(config, _worker)
    return lambda: launch(function, arguments, {"start_method": start_method, "folder": folder})


def _watch(agent: _LauncherThread, folder: str, timeout: float | None) -> None:
    """Wait until all workers have ended; kill those that do not end after a failure."""
    started, failed_at = time.monotonic(), None
    while not agent.has_ended.wait(0.2):
        now = time.monotonic()
        if timeout is not None and now - started > timeout:
            raise TimeoutError(f"the processes were not done after {timeout:.0f} s")
        if failed_at is None and _reports(folder):
            failed_at = now
        # torch itself would wait half a minute for a process that is blocked in C++ code
        if failed_at is not None and now - failed_at > SECONDS_FOR_CAUSES + SECONDS_TO_END:
            _signal_workers(folder, signal.SIGKILL)


def _terminate(agent: _LauncherThread, folder: str) -> None:
    """Send SIGTERM to all workers, also to those that are still starting, and give them time to save a checkpoint."""
    signalled: set[int] = set()
    deadline = time.monotonic() + _SECONDS_TO_CHECKPOINT
    while not agent.has_ended.wait(0.1) and time.monotonic() < deadline:
        signalled |= _signal_workers(folder, signal.SIGTERM, signalled)


def _signal_workers(folder: str, number: int, excluded: Collection[int] = ()) -> set[int]:
    """Send a signal to the workers and return their process ids; the process objects are not accessible through torch."""
    found = {int(path.rpartition("-")[2]) for path in glob.glob(os.path.join(folder, "pid-*"))}
    for pid in found - set(excluded):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return found


def _reports(folder: str) -> list[dict[str, Any]]:
    """The reports of the workers that failed, the first failure first and consequences of others last."""
    found = []
    for path in glob.glob(os.path.join(folder, "**", "error.json"), recursive=True):
        with contextlib.suppress(ValueError), open(path, encoding="utf-8") as file:
            found.append(json.load(file)["message"]["extraInfo"])
    return sorted(found, key=lambda report: (is_consequence(report["reason"]), report["time"]))


def _continuation(agent: _LauncherThread, folder: str) -> str:
    """How to resume the run, according to the workers."""
    hints = [value.how_to_continue for value in agent.values.values() if isinstance(value, Interrupted)]
    hints += [report["how_to_continue"] for report in _reports(folder)]
    return next((hint for hint in hints if hint), "")


def _raise_outcome(agent: _LauncherThread, folder: str, machines: Machines) -> None:
    """Raise an exception if a worker failed or was interrupted."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    if isinstance(agent.error, ChildFailedError):
        rank, failure = agent.error.get_first_failure()
        reports = _reports(folder)
        if not any(report["from"] == rank for report in reports):
            # Killed from outside; the reports of the others are consequences.
            raise WorkerFailure(rank, _exit_description(failure.exitcode), 1)
        first = reports[0]
        if first["status"] == RESUME_ME:
            _raise_termination("a process was asked to stop", first["how_to_continue"])
        raise WorkerFailure(first["rank"], first["reason"], first["status"], first["trace"])
    if agent.error is not None:
        raise ConfigurationError(
            f"distributed: the rendezvous of the machines at {machines.address}:{machines.port} failed "
            f"({str(agent.error).partition(chr(10))[0]}); give another primary_port, and make sure that the first "
            "machine, with --node-rank 0, is running"
        ) from agent.error
    if any(isinstance(value, Interrupted) for value in agent.values.values()):
        _raise_termination("the processes were asked to stop", _continuation(agent, folder))


def _raise_termination(reason: str, how_to_continue: str) -> None:
    error = process.SigTermReceived(reason)
    error.how_to_continue = how_to_continue  # type: ignore[attr-defined]  # read by nlpreg.commands.failures
    raise error


def _exit_description(code: int) -> str:
    if code >= 0:
        return f"ended with exit status {code} without a message"
    name = signal.Signals(-code).name
    hint = "; the system sends it when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


def _quiet_trackers() -> None:
    """Start `multiprocessing`'s resource tracker without its warnings.

    After a worker was killed, it would warn about leaked semaphores, after the error message. It removes them in any case.
    """
    if sys.platform == "win32":
        return
    rules = [os.environ.get("PYTHONWARNINGS"), "ignore::UserWarning:multiprocessing.resource_tracker"]
    with process.environment_variables({"PYTHONWARNINGS": ",".join(filter(None, rules))}):
        resource_tracker.ensure_running()


@contextlib.contextmanager
def _quiet_torch() -> Iterator[None]:
    """Suppress the messages of torch's launcher, because `WorkerFailure` reports the failure."""
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
    """The main function of a worker: call the function; if it fails, write a report to the file that the launcher reads."""
    # Ctrl-C reaches every process; the launcher forwards it as SIGTERM
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process.install_sigterm_handler()
    parent = multiprocessing.parent_process()
    process.end_with_parent(os.getppid() if parent is None or parent.pid is None else parent.pid)
    pid_file = os.path.join(settings["folder"], f"pid-{os.getpid()}")
    with open(pid_file, "w"):
        pass
    try:
        value = function(*arguments)
    except BaseException as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # already ending
        _report(error)
        with contextlib.suppress(OSError):
            os.remove(pid_file)  # the process id may be reused from now on
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        process.remove_unused_compiler_cache()
        # Without exit handlers: a normal exit could wait forever for processes that wait for this one.
        os._exit(1)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # SIGTERM must not interrupt the exit handlers
    atexit.register(process.remove_unused_compiler_cache)
    if settings["start_method"] == "spawn":  # a forked process ends when this function returns
        atexit.register(_exit_at_once)
    return value


def _report(error: BaseException) -> None:
    """Write the error of this worker to the file that the launcher, ours or torchrun, reads."""
    rank, trace = int(os.environ["RANK"]), ""
    if isinstance(error, (process.SigTermReceived, KeyboardInterrupt)):
        reason, status = "asked to stop", RESUME_ME
    elif isinstance(error, WorkerFailure):  # the failure of another process, possibly on another machine
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
        with contextlib.suppress(OSError):  # the launcher that would read it has ended
            from nlpreg.common.files import atomic_write

            with atomic_write(path) as file:
                file.write(json.dumps({"message": {"message": reason, "extraInfo": information}}).encode())


def _exit_at_once() -> None:
    """End the process before the other exit handlers run, see `end_process`."""
    atexit.unregister(_exit_at_once)
    process.end_process(0)
