"""`metrics.jsonl`: what was measured in the course of a run, one JSON object a line."""

from __future__ import annotations

import json
import os
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.sanitize import sanitize
from nlpreg.training.protocols import MetricValues

FILE_NAME = "metrics.jsonl"
_LINES_BEFORE_WRITING = 50


class MetricsLog:
    """Appends lines to `metrics.jsonl`, several at a time.

    Each line has `event` (`step`, `validation` or `epoch`), `epoch`, `batch` (number of the update in the epoch) and
    `step` (number of the update in the run), and then the metrics. A run that is resumed cuts off the lines after its
    checkpoint and goes on from there, so that the file is that of an unbroken run.

    Args:
        folder: folder of the run; None in a process that writes nothing.
        interval: number of updates between two lines of the event `step`.
    """

    def __init__(self, folder: str | None, interval: int = 100) -> None:
        self._path = None if folder is None else os.path.join(folder, FILE_NAME)
        self._interval = interval
        self._lines: list[str] = []
        self._is_new = True

    def is_due(self, step: int) -> bool:
        """Whether the update with this number, from 1, is to be logged."""
        return step % self._interval == 0

    def add(self, event: str, epoch: int, batch: int, step: int, metrics: MetricValues) -> None:
        """Note one line."""
        if self._path is None:
            return
        place = {"event": event, "epoch": epoch, "batch": batch, "step": step}
        self._lines.append(json.dumps({**place, **metrics}, default=sanitize) + "\n")
        if len(self._lines) >= _LINES_BEFORE_WRITING or event != "step":
            self.write()

    def write(self) -> None:
        """Write what is noted.

        Raises:
            ConfigurationError: the folder is read-only or the disk is full.
        """
        if self._path is None or not (self._lines or self._is_new):
            return
        try:
            with open(self._path, "w" if self._is_new else "a", encoding="utf-8") as file:
                file.writelines(self._lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot be written ({error.strerror})") from error
        self._lines = []
        self._is_new = False

    def state_dict(self) -> dict[str, Any]:
        """How long the file is."""
        self.write()
        return {"size": 0 if self._path is None else os.path.getsize(self._path)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Cut off what was written after the checkpoint."""
        if self._path is None or not os.path.exists(self._path):
            return
        if os.path.getsize(self._path) >= state_dict["size"]:
            os.truncate(self._path, state_dict["size"])
        self._is_new = False
