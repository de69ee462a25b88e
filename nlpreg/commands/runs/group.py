"""`RunGroup`: the runs of a sweep or search in one folder, and the table of their results."""

import csv
import json
import math
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from nlpreg.commands.console import format_value, table
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.files import atomic_write
from nlpreg.common.sanitize import json_numbers

GROUP_NAME = "runs.json"
TABLE_NAME = "runs.csv"
WAITING, DONE, FAILED, PRUNED = "waiting", "done", "failed", "pruned"
_PREFIXES = ("best_validation_", "test_")
"""Metrics of a finished run that a table shows."""

_MOST_COLUMNS = 5
_SEPARATOR = "/"


class Spread(NamedTuple):
    """A metric over several runs.

    Args:
        mean: its mean.
        deviation: its standard deviation, with n - 1 in the denominator; NaN for a single run.
        num_runs: number of runs.
    """

    mean: float
    deviation: float
    num_runs: int

    def __str__(self) -> str:
        if self.num_runs < 2:
            return format_value(self.mean)
        return f"{format_value(self.mean)} ± {format_value(self.deviation)}"


def spread_of(values: Iterable[Any]) -> Spread:
    """Mean and standard deviation of some numbers; both NaN without any."""
    numbers = [float(value) for value in values]
    mean = statistics.fmean(numbers) if numbers else math.nan
    return Spread(mean, statistics.stdev(numbers) if len(numbers) > 1 else math.nan, len(numbers))


@dataclass
class SubRun:
    """One run of a group.

    Args:
        name: name of its folder, relative to that of the group. The part before the last slash is the same for all seeds
            or folds of a configuration.
        changes: the values in which its config differs: dotted key -> value.
        is_repetition: whether it is one of several seeds or folds, over which metrics are averaged.
        status: "waiting" (or running), "done", "failed" or "pruned".
        seconds: duration; None before its end.
        metrics: contents of `metrics.json` of a finished run.
        error: error message of a failed run.
    """

    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    is_repetition: bool = False
    status: str = WAITING
    seconds: float | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def point(self) -> str:
        """Name of its configuration: without the seed or fold, if it is a repetition."""
        return self.name.rpartition(_SEPARATOR)[0] if self.is_repetition else self.name


@dataclass
class Point:
    """A configuration of a group with its runs.

    Args:
        name: name of the configuration; empty if all runs have the same.
        runs: the runs with this configuration.
    """

    name: str
    runs: list[SubRun]

    def spread(self, key: str) -> Spread:
        """A metric over the finished runs that have it."""
        values = [run.metrics.get(key) for run in self.runs if run.status in (DONE, PRUNED)]
        return spread_of(filter(is_number, values))


@dataclass
class RunGroup:
    """The runs of a folder.

    Args:
        metric: the metric by which runs are sorted, with a leading `+` or `-`.
        config: the config that all runs are variants of.
        runs: the runs, in the order of training.
    """

    metric: str
    config: dict[str, Any] = field(default_factory=dict)
    runs: list[SubRun] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Key in `metrics.json` of the metric by which runs are sorted: of the validation or, without one, of the training."""
        name = self.metric.lstrip("+-")
        keys = {key for run in self.runs for key in run.metrics}
        chosen = f"best_validation_{name}"
        return chosen if chosen in keys or f"training_{name}" not in keys else f"training_{name}"

    def points(self) -> list[Point]:
        """The configurations, the best first; those without a finished run last."""
        by_name: dict[str, list[SubRun]] = {}
        for run in self.runs:
            by_name.setdefault(run.point, []).append(run)
        points = [Point(name, runs) for name, runs in by_name.items()]
        key = self.key
        sign = 1 if self.metric.startswith("-") else -1

        def rank(point: Point) -> tuple[bool, float]:
            mean = point.spread(key).mean
            return math.isnan(mean), sign * mean if not math.isnan(mean) else 0.0

        return sorted(points, key=rank)

    def columns(self) -> list[str]:
        """Keys of the metrics of finished runs on validation and test data, beginning with the one that runs are sorted by."""
        found = dict.fromkeys(
            key
            for run in self.runs
            for key, value in run.metrics.items()
            if key.startswith(_PREFIXES) and is_number(value)
        )
        return list(dict.fromkeys([self.key, *found]))

    def lines(self) -> list[str]:
        """Format a table: a row for each configuration, and below it for each of its seeds or folds."""
        columns = self.columns()[:_MOST_COLUMNS]
        rows = []
        for point in self.points():
            if not point.runs[0].is_repetition:
                rows.append([point.name, *_cells(point, columns), _outcome(point.runs)])
                continue
            for run in point.runs:
                rows.append([run.name, *_cells(Point(run.name, [run]), columns), _outcome([run])])
            label = f"{point.name}: mean ± spread" if point.name else "mean ± spread"
            rows.append([label, *_cells(point, columns), _outcome(point.runs)])
        return table(rows, ["run", *(key.removeprefix("best_") for key in columns), "outcome"])

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write the group into its folder: `runs.json` to resume from, and `runs.csv` with all metrics."""
        content = {"metric": self.metric, "config": self.config, "runs": [asdict(run) for run in self.runs]}
        with atomic_write(os.path.join(folder, GROUP_NAME), "w") as file:
            json.dump(json_numbers(content), file, indent=1)
        with atomic_write(os.path.join(folder, TABLE_NAME), "w", newline="") as file:
            csv.writer(file).writerows(self._rows())

    def _rows(self) -> list[list[Any]]:
        """The rows of `runs.csv`: one for each run, the best configuration first, then means and standard deviations."""
        changed = list(dict.fromkeys(key for run in self.runs for key in run.changes))
        columns = self.columns()
        points = self.points()
        rows: list[list[Any]] = [["run", *changed, *columns, "status", "seconds", "error"]]
        for run in (run for point in points for run in point.runs):
            values = [_cell(run.changes[key]) if key in run.changes else "" for key in changed]
            metrics = [run.metrics.get(key, "") for key in columns]
            rows.append([run.name, *values, *metrics, run.status, run.seconds, run.error])
        for point in (point for point in points if point.runs[0].is_repetition):
            spreads = [point.spread(key) for key in columns]
            for label, column in (("mean", 0), ("deviation", 1)):
                values = [spread[column] if spread.num_runs > column else "" for spread in spreads]
                name = f"{point.name}{_SEPARATOR}{label}".lstrip(_SEPARATOR)
                rows.append([name, *[""] * len(changed), *values, "", "", ""])
        return rows


def read_group(folder: str | os.PathLike[str]) -> RunGroup | None:
    """Read the group of runs in a folder; None if there is none.

    Raises:
        ConfigurationError: its `runs.json` is damaged.
    """
    path = os.path.join(folder, GROUP_NAME)
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        return RunGroup(content["metric"], content["config"], [SubRun(**run) for run in content["runs"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read as the record of a group of runs ({error})"
        ) from error


def is_number(value: Any) -> bool:
    """Whether a metric is a number that can be averaged."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _cells(point: Point, columns: Sequence[str]) -> list[str]:
    spreads = [point.spread(key) for key in columns]
    return [str(spread) if spread.num_runs else "" for spread in spreads]


def _outcome(runs: Sequence[SubRun]) -> str:
    """The status of a run, or the number of finished ones among several."""
    if len(runs) == 1:
        return runs[0].status
    done = sum(run.status == DONE for run in runs)
    return f"{done} of {len(runs)} done" if done < len(runs) else DONE


def _cell(value: Any) -> Any:
    return value if isinstance(value, (str, int, float)) else json.dumps(value)
