"""Metrics and spans of time written for files and people."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

from nlpreg.common.files import atomic_write
from nlpreg.common.sanitize import json_numbers

logger = logging.getLogger(__name__)


def dump_metrics(file_path: str | None, metrics: dict[str, Any], log: bool = False) -> None:
    """Write metrics as JSON to a file, if one is given, and to the log, if asked.

    The file appears when it is whole, never half-written. It is valid JSON: numbers that are not finite are strings
    (see `json_numbers`).
    """
    text = json.dumps(json_numbers(metrics), indent=2, allow_nan=False)
    if file_path:
        with atomic_write(file_path) as file:
            file.write((text + "\n").encode("utf-8"))
    if log:
        logger.info("Metrics: %s", text)


def flatten_filename(file_path: str) -> str:
    """A path as one file name: each `/` becomes `_SLASH_`."""
    return file_path.replace("/", "_SLASH_")


def format_timedelta(td: timedelta) -> str:
    """A span of time for people: in days, else in hours and minutes."""
    if td.days:
        return _count(td.days, "day")
    hours, minutes = divmod(td.seconds // 60, 60)
    if not hours:
        return _count(minutes, "min")
    return _count(hours, "hour") + (f", {_count(minutes, 'min')}" if minutes and hours < 2 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
