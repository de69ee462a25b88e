"""Ending a run cleanly on SIGTERM or Ctrl-C: after the current update, with a checkpoint."""

import os
import signal
import threading
from types import FrameType
from typing import Any, NoReturn

from nlpreg.common.runtime.process import SigTermReceived

EXIT_CODE_RESUME = getattr(os, "EX_TEMPFAIL", 75)
"""Exit code of a run that was asked to end and can be resumed: 75, "temporary failure, try again" of sysexits.h."""


class TrainingInterrupted(SigTermReceived):
    """Training was asked to end by SIGTERM and ended between two updates.

    Args:
        epoch: the epoch it was in, from 0.
        batches: number of updates done in that epoch.
        is_saved: whether a checkpoint holds everything up to there.
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
    """Inside its context, SIGTERM and Ctrl-C are noted instead of ending the process in the middle of a step.

    A second Ctrl-C raises `KeyboardInterrupt` at once. Signals reach the main thread only; elsewhere this does
    nothing. The previous handlers are restored at the end.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._earlier: dict[int, Any] = {}

    def __enter__(self) -> "InterruptionGuard":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) != signal.SIG_IGN:  # a worker leaves Ctrl-C to its launcher
                    self._earlier[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._earlier.items():
            # a handler that was not set from Python reads as None and cannot be put back
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._earlier = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        # Only recorded: the loop acts on it between two updates, where the state can be saved.
        self.requested = number
        if number == signal.SIGINT:
            # written to the system's own standard error: the interrupted code may hold the lock of a log or a stream
            os.write(2, b"\nending after this step; Ctrl-C again ends at once\n")

    def raise_request(self, epoch: int, batches: int, is_saved: bool) -> NoReturn:
        """Raise what was asked for: `KeyboardInterrupt` for Ctrl-C, otherwise `TrainingInterrupted`."""
        error = TrainingInterrupted(epoch, batches, is_saved)
        if self.requested == signal.SIGINT:
            raise KeyboardInterrupt(str(error))
        raise error
