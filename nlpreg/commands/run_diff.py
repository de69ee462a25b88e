"""The difference of two configs, and of the metrics of two runs, as `nlpreg diff` shows it."""

from __future__ import annotations

import json
import os
from typing import Any

from nlpreg.commands.configs import read_config
from nlpreg.commands.console import format_value, table
from nlpreg.common.checks import ConfigurationError

__all__ = ["config_differences", "diff_runs"]

MISSING = object()
LONGEST_VALUE = 60


def diff_runs(first: str, second: str) -> str:
    """What differs between two configs or runs, as text.

    Args:
        first: a config file, or a folder with `config.json`.
        second: likewise.
    """
    parts = []
    differences = config_differences(_config_of(first), _config_of(second))
    if differences:
        rows = [["", first, second]]
        rows += [[path, _shown(old), _shown(new)] for path, old, new in differences]
        parts.append("\n".join(["config", *_left_aligned(rows)]))
    else:
        parts.append("config: no difference")
    metrics = [_metrics_of(path) for path in (first, second)]
    if any(metrics):
        names = list(dict.fromkeys([*metrics[0], *metrics[1]]))
        rows = [
            [name, *(_metric(values, name) for values in metrics), _change(metrics[0], metrics[1], name)]
            for name in names
        ]
        lines = table(rows, ["", first, second, "change"])
        parts.append("\n".join(["metrics", *(f"  {line}" for line in lines)]))
    return "\n\n".join(parts)


def config_differences(first: Any, second: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """(key path, value in the first, value in the second) wherever two configs differ.

    A value that only one has is `MISSING` in the other. Lists are compared item by item.
    """
    if isinstance(first, dict) and isinstance(second, dict):
        keys: list[Any] = list(dict.fromkeys([*first, *second]))
        pairs = [(str(key), first.get(key, MISSING), second.get(key, MISSING)) for key in keys]
    elif isinstance(first, list) and isinstance(second, list):
        longest = max(len(first), len(second))
        pairs = [
            (str(i), first[i] if i < len(first) else MISSING, second[i] if i < len(second) else MISSING)
            for i in range(longest)
        ]
    else:
        same = first == second and isinstance(first, bool) == isinstance(second, bool)
        return [] if same else [(path, first, second)]
    return [
        difference
        for key, old, new in pairs
        for difference in config_differences(old, new, f"{path}.{key}" if path else key)
    ]


def _config_of(path: str) -> Any:
    if os.path.isdir(path):
        path = os.path.join(path, "config.json")
        if not os.path.isfile(path):
            raise ConfigurationError(
                f"{os.path.dirname(path)}: this folder holds no run: there is no config.json in it"
            )
    return read_config(path).as_dict(quiet=True)


def _metrics_of(path: str) -> dict[str, Any]:
    """The metrics of a finished run; none for a config."""
    file_name = os.path.join(path, "metrics.json")
    if not os.path.isfile(file_name):
        return {}
    with open(file_name, encoding="utf-8") as file:
        metrics: dict[str, Any] = json.load(file)
    return metrics


def _metric(metrics: dict[str, Any], name: str) -> str:
    return format_value(metrics[name]) if name in metrics else ""


def _change(first: dict[str, Any], second: dict[str, Any], name: str) -> str:
    values = (first.get(name), second.get(name))
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return ""
    change = float(values[1]) - float(values[0])  # type: ignore[arg-type]
    return ("+" if change > 0 else "") + format_value(change)


def _shown(value: Any) -> str:
    if value is MISSING:
        return "-"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def _left_aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
