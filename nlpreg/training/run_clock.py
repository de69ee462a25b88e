"""How long a run has taken, its interruptions left out."""

from __future__ import annotations

import time


class RunClock:
    """Counts the seconds of a run over all its parts."""

    def __init__(self) -> None:
        self._before = 0.0
        self._started = time.monotonic()

    def start(self, seconds_before: float = 0.0) -> None:
        """Start counting.

        Args:
            seconds_before: how long the earlier parts of the run took.
        """
        self._before = seconds_before
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + time.monotonic() - self._started
