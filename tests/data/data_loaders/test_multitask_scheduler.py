from typing import Any

import pytest

from nlpreg.common import Params
from nlpreg.data.data_loaders.multitask_scheduler import (
    HomogeneousRoundRobinScheduler,
    MultiTaskScheduler,
    RoundRobinScheduler,
)

TASKS: dict[str, Any] = {"a": ["a1", "a2", "a3", "a4", "a5"], "b": ["b1"], "c": []}
COUNTS = {task: len(items) for task, items in TASKS.items()}


@pytest.mark.parametrize(
    ("drop_last", "expected"),
    [(False, [["a1", "b1"], ["a2", "a3"], ["a4", "a5"]]), (True, [["a1", "b1"], ["a2", "a3"], ["a4", "a5"]])],
)
def test_mixed_batches(drop_last: bool, expected: list[list[str]]) -> None:
    scheduler = RoundRobinScheduler(2, drop_last)
    assert list(scheduler.batch_instances(TASKS)) == expected
    assert scheduler.count_batches(COUNTS) == len(expected)


@pytest.mark.parametrize(("drop_last", "count"), [(False, 2), (True, 1)])
def test_the_last_mixed_batch(drop_last: bool, count: int) -> None:
    scheduler = RoundRobinScheduler(4, drop_last)
    assert len(list(scheduler.batch_instances(TASKS))) == scheduler.count_batches(COUNTS) == count


@pytest.mark.parametrize(
    ("size", "drop_last", "expected"),
    [
        (2, False, [["a1", "a2"], ["b1"], ["a3", "a4"], ["a5"]]),
        (2, True, [["a1", "a2"], ["a3", "a4"]]),
        ({"a": 3, "b": 1, "c": 9}, False, [["a1", "a2", "a3"], ["b1"], ["a4", "a5"]]),
    ],
)
def test_batches_of_one_task(size: Any, drop_last: bool, expected: list[list[str]]) -> None:
    scheduler = HomogeneousRoundRobinScheduler(size, drop_last)
    assert list(scheduler.batch_instances(TASKS)) == expected
    assert scheduler.count_batches(COUNTS) == len(expected)


def test_from_config() -> None:
    scheduler = MultiTaskScheduler.from_params(Params({"batch_size": {"a": 2}}))
    assert isinstance(scheduler, HomogeneousRoundRobinScheduler)
    assert scheduler.batch_size == {"a": 2}
    scheduler = MultiTaskScheduler.from_params(Params({"type": "roundrobin", "batch_size": 2}))
    assert isinstance(scheduler, RoundRobinScheduler)
    scheduler.update_from_epoch_metrics({"loss": 1.0})


def test_what_must_be_written() -> None:
    with pytest.raises(NotImplementedError, match="has no batch_instances"):
        MultiTaskScheduler().batch_instances({})
    with pytest.raises(NotImplementedError, match="has no count_batches"):
        MultiTaskScheduler().count_batches({})
