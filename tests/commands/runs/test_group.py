"""What a group of runs tells: means and spreads, the best first, a CSV file, and its record read back."""

import csv
import math
import statistics
from pathlib import Path

import pytest

from nlpreg.commands.runs.group import DONE, FAILED, RunGroup, SubRun, read_group, spread_of
from nlpreg.common.checks import ConfigurationError


def done(name: str, accuracy: float, repetition: bool = False, **changes: object) -> SubRun:
    metrics = {
        "best_validation_accuracy": accuracy,
        "test_accuracy": accuracy / 2,
        "epoch": 3,
        "best_epoch": 1,
    }
    return SubRun(name, changes, repetition, DONE, 2.5, metrics)


def test_spread_is_that_of_a_sample() -> None:
    values = [0.1, 0.5, 0.9, 0.2]
    spread = spread_of(values)
    assert spread.mean == pytest.approx(statistics.mean(values))
    assert spread.deviation == pytest.approx(statistics.stdev(values))
    assert spread.num_runs == 4
    assert str(spread_of([1.0, 3.0])) == "2.0000 ± 1.4142"
    assert str(spread_of([0.25])) == "0.2500"
    assert math.isnan(spread_of([0.25]).deviation)
    assert math.isnan(spread_of([]).mean)


def test_points_are_sorted_by_their_means_whatever_the_sign() -> None:
    runs = [
        done("a/seed_1", 0.1, True),
        done("a/seed_2", 0.9, True),
        done("b/seed_1", 0.6, True),
        SubRun("c/seed_1", {}, True, FAILED, error="broken"),
    ]
    assert [point.name for point in RunGroup("+accuracy", {}, runs).points()] == ["b", "a", "c"]
    assert [point.name for point in RunGroup("-accuracy", {}, runs).points()] == ["a", "b", "c"]


def test_the_table_has_each_run_and_the_mean_of_its_seeds() -> None:
    runs = [done("seed_1", 0.25, True), done("seed_2", 0.75, True)]
    lines = RunGroup("+accuracy", {}, runs).lines()
    assert lines[0].split() == ["run", "validation_accuracy", "test_accuracy", "outcome"]
    assert lines[1].split() == ["seed_1", "0.2500", "0.1250", "done"]
    assert lines[3].split() == [
        "mean",
        "±",
        "spread",
        "0.5000",
        "±",
        "0.3536",
        "0.2500",
        "±",
        "0.1768",
        "done",
    ]


def test_the_table_of_a_grid_has_no_means() -> None:
    runs = [done("lr=1", 0.25), SubRun("lr=2", {}, False, FAILED, error="broken"), done("lr=3", 0.75)]
    lines = RunGroup("+accuracy", {}, runs).lines()
    assert [line.split()[0] for line in lines[1:]] == ["lr=3", "lr=1", "lr=2"]
    assert lines[3].split() == ["lr=2", "failed"]


def test_without_validation_runs_are_sorted_by_the_training() -> None:
    runs = [
        SubRun("a", {}, False, DONE, 1, {"training_loss": 2.0}),
        SubRun("b", {}, False, DONE, 1, {"training_loss": 1.0}),
    ]
    group = RunGroup("-loss", {}, runs)
    assert group.key == "training_loss"
    assert [point.name for point in group.points()] == ["b", "a"]


def test_a_group_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    group = RunGroup(
        "+accuracy",
        {"model": "m"},
        [done("lr=1/seed_1", 0.5, True, lr=1), SubRun("lr=2/seed_1", {"lr": 2}, True)],
    )
    group.write(tmp_path)
    assert read_group(tmp_path) == group
    assert read_group(tmp_path / "elsewhere") is None
    (tmp_path / "runs.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"runs\.json: cannot be read as the record of a group"):
        read_group(tmp_path)


def test_the_csv_has_the_changes_and_all_metrics(tmp_path: Path) -> None:
    runs = [done("lr=1/seed_1", 0.25, True, lr=1, seed=1), done("lr=1/seed_2", 0.75, True, lr=1, seed=2)]
    RunGroup("+accuracy", {}, runs).write(tmp_path)
    with open(tmp_path / "runs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["lr=1/seed_1", "lr=1/seed_2", "lr=1/mean", "lr=1/deviation"]
    assert (rows[0]["lr"], rows[0]["seed"], rows[0]["best_validation_accuracy"]) == ("1", "1", "0.25")
    assert (rows[2]["lr"], rows[2]["best_validation_accuracy"], rows[2]["test_accuracy"]) == (
        "",
        "0.5",
        "0.25",
    )
    assert float(rows[3]["best_validation_accuracy"]) == pytest.approx(statistics.stdev([0.25, 0.75]))
