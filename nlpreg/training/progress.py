"""The progress bar of an epoch: one line, with metrics that are computed only when they are shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from nlpreg.common import Tqdm
from nlpreg.training.metric_reports import description_from_metrics
from nlpreg.training.protocols import MetricValues

_SECONDS_BETWEEN_METRICS = 0.5


class ProgressBar:
    """A bar with the metrics of the epoch so far.

    Args:
        total: number of steps, if it is known.
        done: number of steps done before, in a resumed epoch.
        name: what the steps are, as in "training".
        is_shown: whether this process shows a bar at all.
    """

    def __init__(self, total: int | None, done: int, name: str, is_shown: bool) -> None:
        self._bar = Tqdm.tqdm(total=total, initial=done, disable=not is_shown, unit="batch", desc=name)
        # computing metrics more often than the bar is drawn would be for nobody
        self._interval = max(_SECONDS_BETWEEN_METRICS, getattr(self._bar, "mininterval", 0.0))
        self._next = time.monotonic() + self._interval
        self._is_shown = is_shown

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def advance(self, metrics: Callable[[], MetricValues]) -> None:
        """One step further.

        Args:
            metrics: computes the metrics of the epoch so far; called when they are due.
        """
        if not self._is_shown:
            return
        now = time.monotonic()
        if now >= self._next:
            self._bar.set_description(description_from_metrics(metrics()), refresh=False)
            self._next = time.monotonic() + self._interval
        self._bar.update()

    def finish(self, metrics: MetricValues) -> None:
        """Show the metrics of the whole epoch."""
        if self._is_shown:
            self._bar.set_description(description_from_metrics(metrics), refresh=False)  # closing it shows it
