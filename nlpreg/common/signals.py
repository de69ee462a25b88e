"""A polite end: SIGTERM as an exception, so that `finally` blocks run."""

from __future__ import annotations

import signal
from types import FrameType


class SigTermReceived(Exception):
    """The process was asked to end."""


def _raise_sigterm(signal_number: int, frame: FrameType | None) -> None:
    raise SigTermReceived("asked to end by SIGTERM")


def install_sigterm_handler() -> None:
    """From now on SIGTERM raises `SigTermReceived` in the main thread."""
    signal.signal(signal.SIGTERM, _raise_sigterm)
