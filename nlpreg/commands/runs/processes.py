"""Training processes of the runs of a group, several at a time."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # not on Windows, where two processes can train the same run
    fcntl = None  # type: ignore[assignment]  # in place of the module

FOLDER = ".running"
"""Folder, in that of a group, with two files for each run under way: its config, and what its process writes to standard
error, which is the lock on the run too."""

_PROGRAM = (
    "from nlpreg.common.runtime.process import end_with_parent; end_with_parent({parent}); "
    "import runpy; runpy.run_module('nlpreg', run_name='__main__', alter_sys=True)"
)
"""`python -m nlpreg`, which also ends if the process that started it is killed. It asks for that itself: `preexec_fn` runs
Python code after a fork, which is unsafe if this process has threads."""

POLL_SECONDS = 0.1
_LAST_BYTES = 4000
SECONDS_TO_END = 120.0
"""Seconds that a terminated process has for saving a checkpoint."""


@dataclass
class Ended:
    """A process that has ended.

    Args:
        name: of the run.
        status: exit status; negative for the number of a signal.
        error: its last line on standard error.
        seconds: duration in seconds.
    """

    name: str
    status: int
    error: str
    seconds: float


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    file: IO[bytes]
    started: float


class Processes:
    """Starts one process per run and reports which have ended.

    Each process holds a lock until it ends. A run is therefore trained by a single process at a time, even if several
    commands work on the same folder. If the command that started the processes is killed, they save a checkpoint and end; on
    systems other than Linux, they finish their runs.

    Args:
        folder: folder of the group.
        limit: number of concurrent processes.
    """

    def __init__(self, folder: str | os.PathLike[str], limit: int = 1) -> None:
        self._group = Path(folder)
        self._folder = self._group / FOLDER
        self._limit = limit
        self._running: dict[str, _Running] = {}

    def __enter__(self) -> "Processes":
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *error: object) -> None:
        self.end()
        with contextlib.suppress(OSError):
            self._folder.rmdir()  # unless another process still has files there

    def __len__(self) -> int:
        return len(self._running)

    @property
    def is_full(self) -> bool:
        """Whether the limit of processes is reached."""
        return len(self._running) >= self._limit

    def start(self, name: str, config: Mapping[str, Any], options: Sequence[str] = ()) -> bool:
        """Start a run, or resume it if its folder contains the files of an earlier process.

        Args:
            name: name of the run, and of its folder relative to that of the group.
            config: config of the run.
            options: further arguments for the command line of `nlpreg train`.

        Returns:
            False if another process is training it.
        """
        file = self._locked(name)
        if file is None:
            return False
        run = self._group / name
        words = ["train", str(self._config(name)), "-s", str(run), "-q", *options]
        if run.is_dir() and any(run.iterdir()):
            words.append("-r")
        environment = dict(os.environ)
        if self._limit > 1:  # otherwise each process would use a thread for each core
            environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // self._limit)))
        try:
            self._config(name).write_text(json.dumps(config, indent=1), encoding="utf-8")
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM.format(parent=os.getpid()), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                env=environment,
                # The lock is inherited with the descriptor, and is released when both processes have closed it.
                pass_fds=[file.fileno()],
            )
        except BaseException:
            self._release(name, file)
            raise
        self._running[name] = _Running(process, file, time.monotonic())
        return True

    def ended(self) -> Iterator[Ended]:
        """The processes that have ended since the last call; each holds its lock until the next is asked for."""
        for name, running in list(self._running.items()):
            status = running.process.poll()
            if status is not None:
                del self._running[name]
                running.file.seek(max(0, running.file.seek(0, os.SEEK_END) - _LAST_BYTES))
                error = running.file.read().decode(errors="replace").strip()
                try:
                    yield Ended(name, status, error, time.monotonic() - running.started)
                finally:
                    self._release(name, running.file)

    def end(self) -> None:
        """Terminate all processes and wait for them; those that do not end in time are killed."""
        for running in self._running.values():
            # Ctrl-C in a terminal reaches all processes, but a signal to this process does not.
            running.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + SECONDS_TO_END
        for name, running in self._running.items():
            try:
                running.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
            self._release(name, running.file)
        self._running = {}

    def _path(self, name: str) -> Path:
        return self._folder / f"{name.replace('/', '__')}.log"

    def _config(self, name: str) -> Path:
        return self._path(name).with_suffix(".json")

    def _locked(self, name: str) -> IO[bytes] | None:
        """The file of a run, empty and locked; None if another process holds the lock."""
        while True:
            file = open(self._path(name), "a+b")  # noqa: SIM115 (kept open as long as the process runs)
            if fcntl is None:
                return file
            try:
                # Unlike `lockf`, this lock belongs to the open file, and so to every process that has inherited it.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return None
            if _is_same(file, self._path(name)):
                file.truncate(0)
                return file
            file.close()  # its holder deleted the file between the two calls; try again

    def _release(self, name: str, file: IO[bytes]) -> None:
        for path in (self._config(name), self._path(name)):
            with contextlib.suppress(OSError):
                path.unlink()
        file.close()


def _is_same(file: IO[Any], path: Path) -> bool:
    """Whether a path still refers to an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except OSError:
        return False
