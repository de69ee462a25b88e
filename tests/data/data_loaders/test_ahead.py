import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nlpreg.data import Vocabulary
from nlpreg.data.data_loaders import WorkerError, ahead
from nlpreg.data.data_loaders.ahead import made_ahead, streamed_ahead
from nlpreg.data.data_loaders.stream import BatchStream, InstanceStream, StreamPosition


def quick(number: int) -> Any:
    return {"number": number, "at": os.getpid()}


def slow(number: int) -> Any:
    time.sleep(0.006)
    return quick(number)


def test_quick_batches_are_made_here() -> None:
    batches: list[Any] = list(made_ahead(quick, slow, range(3, 20), 2))
    assert [batch["number"] for batch in batches] == list(range(3, 20))
    assert {batch["at"] for batch in batches} == {os.getpid()}


@pytest.mark.parametrize("count", [0, 1, 4, 5, 12])
@pytest.mark.parametrize("num_workers", [1, 3])
def test_slow_ones_in_workers_after_the_first(num_workers: int, count: int) -> None:
    batches: list[Any] = list(made_ahead(slow, quick, range(count), num_workers))
    assert [batch["number"] for batch in batches] == list(range(count))
    here = [batch["at"] == os.getpid() for batch in batches]
    assert here == [number < 4 for number in range(count)]


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_SECONDS_WORTH_A_WORKER", 0.0)

    def fail(number: int) -> Any:
        if number == 7:
            raise ValueError("bad batch")
        return quick(number)

    batches = made_ahead(fail, fail, range(10), 2)
    assert [next(batches)["number"] for _ in range(7)] == list(range(7))
    with pytest.raises(WorkerError, match="bad batch"):
        next(batches)


Make = Callable[..., BatchStream]


class Clock:
    """Goes on only where a test says so, whatever else the machine does."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ahead, "time", clock)
    monkeypatch.setattr(ahead, "_num_cores", lambda: 2)
    return clock


@pytest.fixture
def stream(reader: Any, number_vocab: Vocabulary, clock: Clock) -> Make:
    """Makes a stream of batches of two numbers, which take some seconds and are told where they were made."""

    def stream(count: int, seconds: float = 0.0) -> BatchStream:
        def collate(instances: list[Any]) -> Any:
            clock.now += seconds
            return {"number": [one["number"].metadata for one in instances], "at": os.getpid()}

        numbers = InstanceStream(reader, str(count), 1)
        return BatchStream(numbers, 5, 2, False, True, None, collate, number_vocab)  # type: ignore[arg-type]

    return stream


@pytest.mark.parametrize("leave_out", [0, 3])
def test_a_worker_takes_over_where_both_sides_have_work_to_do(
    stream: Make, clock: Clock, leave_out: int
) -> None:
    batches: list[Any] = []
    for batch, _ in streamed_ahead(stream(120, seconds=0.004), StreamPosition(), leave_out, "fork"):
        clock.now += 0.004
        batches.append(batch)
    expected = [batch["number"] for batch, _ in stream(120).batches(StreamPosition())]
    assert [batch["number"] for batch in batches] == expected[leave_out:]
    here = [batch["at"] == os.getpid() for batch in batches]
    assert here[0] and not here[-1]
    assert here == sorted(here, reverse=True)
    assert not multiprocessing.active_children()


def test_no_worker_where_there_is_little_to_do(stream: Make, clock: Clock) -> None:
    for count, seconds in ((6, 0.004), (60, 0.0)):
        for batch, _ in streamed_ahead(stream(count, seconds), StreamPosition(), 0, "fork"):
            clock.now += 0.004
            assert batch["at"] == os.getpid()
    # nothing is done with the batches
    for batch, _ in streamed_ahead(stream(60, 0.004), StreamPosition(), 0, "fork"):
        assert batch["at"] == os.getpid()


@pytest.mark.parametrize("bad", [1, 70])
def test_errors_in_a_stream_are_the_same_wherever_they_happen(stream: Make, clock: Clock, bad: int) -> None:
    whole = stream(120, 0.004)

    def collate(instances: list[Any]) -> Any:
        if any(one["number"].metadata == bad for one in instances):
            raise ValueError("bad batch")
        return whole.collate_fn(instances)

    with pytest.raises(WorkerError, match="bad batch"):
        for _ in streamed_ahead(replace(whole, collate_fn=collate), StreamPosition(), 0, "fork"):  # type: ignore[arg-type]
            clock.now += 0.004
