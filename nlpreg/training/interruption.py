"""Stopping a run on SIGTERM or Ctrl-C: after the current update, with a checkpoint."""

import os
import signal
import threading
from types import FrameType
from typing import Any, NoReturn

from nlpreg.common.runtime.process import SigTermReceived

EXIT_CODE_RESUME = getattr(os, "EX_TEMPFAIL", 75)
"""Exit code of an interrupted run that can be resumed: 75, "temporary failure" in sysexits.h."""


class TrainingInterrupted(SigTermReceived):
    """Training was interrupted by SIGTERM and stopped between two updates.

    Args:
        epoch: number of the current epoch, from 0.
        batches: number of updates done in that epoch.
        is_saved: whether a checkpoint of this point was saved.
    """

    def __init__(self, epoch: int, batches: int, is_saved: bool) -> None:
        saved = (
            "a checkpoint was saved, resume with `--recover`"
            if is_saved
            else "there is no checkpoint, because the trainer has no checkpointer or keeps none"
        )
        super().__init__(f"training ended on request after {batches} updates of epoch {epoch}; {saved}")
        self.epoch = epoch
        self.batches = batches
        self.is_saved = is_saved

    exit_code = EXIT_CODE_RESUME

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.epoch, self.batches, self.is_saved)


class InterruptionGuard:
    """A context in which SIGTERM and Ctrl-C are recorded and do not end the process in the middle of a step.

    A second Ctrl-C raises `KeyboardInterrupt` at once. Only the main thread receives signals; in other threads the context
    does nothing. The previous handlers are restored at the end.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._previous_handlers: dict[int, Any] = {}

    def __enter__(self) -> "InterruptionGuard":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                # a worker ignores Ctrl-C, which its launcher handles
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._previous_handlers[number] = signal.signal(number, self._record)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous_handlers.items():
            # a handler that was not set from Python is None here and cannot be restored
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous_handlers = {}

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        # Only recorded: the loop acts on it between two updates, where the state can be saved.
        self.requested = number
        if number == signal.SIGINT:
            # written to the file descriptor, because the interrupted code may hold the lock of a log or a stream
            os.write(2, b"\nending after this step; Ctrl-C again ends at once\n")

    def raise_request(self, epoch: int, batches: int, is_saved: bool) -> NoReturn:
        """Raise `KeyboardInterrupt` after Ctrl-C, otherwise `TrainingInterrupted`."""
        error = TrainingInterrupted(epoch, batches, is_saved)
        if self.requested == signal.SIGINT:
            raise KeyboardInterrupt(str(error))
        raise error
