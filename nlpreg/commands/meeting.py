"""Where the processes of a run find each other, and how a machine learns that another one failed."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch does not list it

from nlpreg.commands.failures import WorkerFailure
from nlpreg.commands.worker_processes import is_consequence
from nlpreg.common.checks import ConfigurationError

__all__ = ["Meeting", "join_store"]

logger = logging.getLogger(__name__)

SECONDS_TO_MEET = 900.0
"""How long the launcher of another machine waits for the first one."""
SECONDS_TO_ANSWER = 30.0
SECONDS_OF_SILENCE = 60.0
"""A machine of which nothing was heard for so long is taken for dead."""
SECONDS_TO_LEAVE = 10.0
SECONDS_FOR_CAUSES = 3.0


def join_store(address: str, port: int) -> TCPStore:
    """The store that the first machine has opened, as one of those who use it."""
    return TCPStore(address, port, is_master=False, timeout=timedelta(seconds=SECONDS_TO_ANSWER))


class Meeting:
    """A store that the launcher of the first machine opens, and that all processes of all machines use.

    The launchers also tell each other through it that they live, and why they ended.

    Args:
        address: of the first machine, as the others see it.
        port: a free port there; any one if None.
        num_machines: number of machines, each with a launcher.
        machine: number of this one.

    Raises:
        ConfigurationError: the port is taken, or the first machine cannot be reached.
    """

    def __init__(self, address: str, port: int | None, num_machines: int = 1, machine: int = 0) -> None:
        self.address = address
        self._machine = machine
        self._others = [other for other in range(num_machines) if other != machine]
        self._heard: dict[int, tuple[int, float]] = {}
        if machine == 0:
            self._store = _open_store(port)
        else:
            assert port is not None
            _wait_for_listener(address, port)
            self._store = join_store(address, port)
        self.port: int = self._store.port

    def begin(self) -> None:
        """Let the other machines begin, once the first one has prepared the run's folder."""
        self._store.set("begin", "")

    def wait_for_beginning(self) -> None:
        """Wait until the first machine lets this one begin.

        Raises:
            WorkerFailure: the first machine failed before.
        """
        while True:
            with self._in_touch():
                if self._store.check(["begin"]):
                    return
                self._raise_failure_of(0)
            time.sleep(0.2)

    def look(self) -> None:
        """Tell the others that this machine lives, and see how they are.

        Raises:
            WorkerFailure: one of them failed, or was not heard of for long.
        """
        if not self._others:
            return
        with self._in_touch():
            self._store.add(f"beats/{self._machine}", 1)
            for other in self._others:
                self._raise_failure_of(other)
                self._listen_to(other)

    def cause(self, failure: WorkerFailure) -> WorkerFailure:
        """Tell the others that this machine failed; what to report: that, or what brought it about elsewhere."""
        if not self._others or failure.machine is not None:
            return failure
        with contextlib.suppress(WorkerFailure), self._in_touch():
            told = {"rank": failure.rank, "reason": failure.reason, "status": failure.status}
            if not is_consequence(failure.reason):
                self._store.set(f"failure/{self._machine}", json.dumps(told))
                return failure
            self._wait_until(self._is_failure_known, SECONDS_FOR_CAUSES)
            for other in self._others:
                try:
                    self._raise_failure_of(other)
                except WorkerFailure as cause:
                    return cause
            self._store.set(f"failure/{self._machine}", json.dumps(told))
        return failure

    def leave(self) -> None:
        """End the meeting; the first machine keeps the store open until the others have left, or for some seconds."""
        with contextlib.suppress(WorkerFailure), self._in_touch():
            self._store.set(f"left/{self._machine}", "")
            if self._machine == 0:
                self._wait_until(
                    lambda: all(self._store.check([f"left/{other}"]) for other in self._others),
                    SECONDS_TO_LEAVE,
                )

    def _is_failure_known(self) -> bool:
        return any(self._store.check([f"failure/{other}"]) for other in self._others)

    def _raise_failure_of(self, other: int) -> None:
        if self._store.check([f"failure/{other}"]):
            told = json.loads(self._store.get(f"failure/{other}"))
            raise WorkerFailure(told["rank"], told["reason"], told["status"], machine=other)

    def _listen_to(self, other: int) -> None:
        if self._store.check([f"left/{other}"]):
            return
        beats, now = self._store.add(f"beats/{other}", 0), time.monotonic()
        before, since = self._heard.setdefault(other, (beats, now))
        if beats != before:
            self._heard[other] = (beats, now)
        elif beats and now - since > SECONDS_OF_SILENCE:
            raise WorkerFailure(None, f"nothing was heard of it for {now - since:.0f} s", 1, machine=other)

    @staticmethod
    def _wait_until(is_so: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_so() and time.monotonic() < deadline:
            time.sleep(0.1)

    @contextlib.contextmanager
    def _in_touch(self) -> Iterator[None]:
        """Within the block, a store that does not answer any more is the failure of the first machine."""
        try:
            yield
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise WorkerFailure(None, f"lost touch with it ({reason})", 1, machine=0) from error


def _open_store(port: int | None) -> TCPStore:
    try:
        return TCPStore(
            "localhost",
            port or 0,
            is_master=True,
            wait_for_workers=False,
            timeout=timedelta(seconds=SECONDS_TO_ANSWER),
        )
    except RuntimeError as error:
        raise ConfigurationError(
            f"distributed.primary_port: cannot listen on port {port} of this machine "
            f"({str(error).partition(chr(10))[0]}); give another port"
        ) from error


def _wait_for_listener(address: str, port: int) -> None:
    """Wait until the first machine is ready; in small steps, so that Ctrl-C and SIGTERM are heard."""
    logger.info("waiting for the first machine, %s:%d", address, port)
    deadline = time.monotonic() + SECONDS_TO_MEET
    while True:
        try:
            socket.create_connection((address, port), timeout=2).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"distributed.primary_address: {address}:{port} could not be reached within "
                    f"{SECONDS_TO_MEET:.0f} s ({error}); is the first machine, with --node-rank 0, running?"
                ) from error
        time.sleep(0.5)
