"""The files of a run: metrics over time, config, environment, vocabulary."""

import json
import os
from dataclasses import dataclass, field
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.digests import warn_if_changed

Curve = list[tuple[float, float]]
"""Points (x, y) in order of x."""

_PREFIXES = ("training_", "validation_")


@dataclass
class RunRecord:
    """The files in the folder of a run.

    Args:
        folder: its path.
        config: the evaluated config.
        resolved: the config with every default filled in; empty for runs that have none.
        meta: versions, seeds, command and machine.
        metrics: the final metrics; empty while the run is in progress.
        lines: the lines of `metrics.jsonl`.
        vocabulary: number of entries of each namespace.
    """

    folder: str
    config: dict[str, Any]
    resolved: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    vocabulary: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: str) -> "RunRecord":
        """Read a folder.

        Raises:
            ConfigurationError: a file is not valid JSON.
        """
        warn_if_changed(
            folder, "config.json", "config.resolved.json", "meta.json", "metrics.json", "metrics.jsonl"
        )
        warn_if_changed(os.path.join(folder, "vocabulary"))
        return cls(
            folder,
            config=read_run_json(folder, "config.json"),
            resolved=read_run_json(folder, "config.resolved.json"),
            meta=read_run_json(folder, "meta.json"),
            metrics=read_run_json(folder, "metrics.json"),
            lines=_read_lines(os.path.join(folder, "metrics.jsonl")),
            vocabulary=_vocabulary_sizes(os.path.join(folder, "vocabulary")),
        )

    @property
    def name(self) -> str:
        """The last part of the folder's path."""
        return os.path.basename(os.path.abspath(self.folder))

    @property
    def best_epoch(self) -> int | None:
        """Number of the epoch with the best validation, from 0."""
        epoch = self.metrics.get("best_epoch")
        return epoch if isinstance(epoch, int) else None

    def curves(self) -> dict[str, dict[str, Curve]]:
        """Metric without prefix -> series ("training", "validation") -> its values after each epoch, from 1."""
        found: dict[str, dict[str, Curve]] = {}
        for line in self.lines:
            if line.get("event") != "epoch":
                continue
            for key, value in line.items():
                prefix = next((prefix for prefix in _PREFIXES if key.startswith(prefix)), None)
                if prefix is None or key.endswith(("_memory_MB", "_duration")) or not _is_number(value):
                    continue
                series = found.setdefault(key[len(prefix) :], {}).setdefault(prefix[:-1], [])
                series.append((line["epoch"] + 1, float(value)))
        return found

    def learning_rate(self) -> Curve:
        """The learning rate by the number of the update."""
        return [
            (line["step"], float(line["learning_rate"]))
            for line in self.lines
            if _is_number(line.get("learning_rate")) and "step" in line
        ]

    def seconds_by_epoch(self) -> list[float]:
        """Seconds of each epoch, with its validation."""
        ends = [line["seconds"] for line in self.lines if line.get("event") == "epoch" and "seconds" in line]
        return [end - start for start, end in zip([0.0, *ends], ends, strict=False)]

    def phases(self) -> dict[str, float]:
        """Milliseconds of each phase of a training step, where the callback `profile` measured them."""
        phases = read_run_json(self.folder, "profile.json").get("milliseconds_a_step", {})
        return {name: float(value) for name, value in phases.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_run_json(folder: str | os.PathLike[str], name: str) -> dict[str, Any]:
    """The JSON object in a file of a run; empty where there is no such file.

    Raises:
        ConfigurationError: it is not valid JSON, or not an object.
    """
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path}: expected a JSON object, got {str(value)[:60]!r}")
    return value


def _read_lines(path: str) -> list[dict[str, Any]]:
    """The objects in a file of JSON lines. An incomplete last line, of a run that was killed, is omitted."""
    lines: list[dict[str, Any]] = []
    if os.path.isfile(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, text in enumerate(file, start=1):
                try:
                    lines.append(json.loads(text))
                except ValueError as error:
                    if text.endswith("\n"):
                        raise ConfigurationError(f"{path}:{number}: not valid JSON ({error})") from error
    return [line for line in lines if isinstance(line, dict)]


def _vocabulary_sizes(folder: str) -> dict[str, int]:
    sizes = {}
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".txt") and name != "non_padded_namespaces.txt":
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                    sizes[name.removesuffix(".txt")] = sum(1 for _ in file)
    return sizes
