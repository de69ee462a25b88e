import os
import time
from typing import Any

import pytest

from nlpreg.data.data_loaders import WorkerError, ahead
from nlpreg.data.data_loaders.ahead import made_ahead


def quick(number: int) -> Any:
    return {"number": number, "at": os.getpid()}


def slow(number: int) -> Any:
    time.sleep(0.004)
    return quick(number)


def test_quick_batches_are_made_here() -> None:
    batches: list[Any] = list(made_ahead(quick, slow, range(3, 20), 2, 4))
    assert [batch["number"] for batch in batches] == list(range(3, 20))
    assert {batch["at"] for batch in batches} == {os.getpid()}


@pytest.mark.parametrize("count", [0, 1, 4, 5, 12])
@pytest.mark.parametrize("num_workers", [1, 3])
def test_slow_ones_in_workers_after_the_first(num_workers: int, count: int) -> None:
    batches: list[Any] = list(made_ahead(slow, quick, range(count), num_workers, 4))
    assert [batch["number"] for batch in batches] == list(range(count))
    here = [batch["at"] == os.getpid() for batch in batches]
    assert here == [number < 4 for number in range(count)]


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_SECONDS_WORTH_A_WORKER", 0.0)

    def fail(number: int) -> Any:
        if number == 7:
            raise ValueError("bad batch")
        return quick(number)

    batches = made_ahead(fail, fail, range(10), 2, 4)
    assert [next(batches)["number"] for _ in range(7)] == list(range(7))
    with pytest.raises(WorkerError, match="bad batch"):
        next(batches)
