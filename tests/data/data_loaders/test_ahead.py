import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from nlpreg.data import DatasetReader, Instance, Vocabulary
from nlpreg.data.data_loaders import WorkerError, ahead
from nlpreg.data.data_loaders.ahead import made_ahead, read_with_workers, streamed_ahead
from nlpreg.data.data_loaders.stream import BatchStream, InstanceStream, StreamPosition
from nlpreg.data.fields import ListField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer


def numbers(stream: InstanceStream) -> list[int]:
    instances = list(read_with_workers(stream, "fork"))
    assert all("tokens" in instance["text"].token_indexers for instance in instances)  # type: ignore[attr-defined]
    return [instance["number"].metadata for instance in instances]  # type: ignore[attr-defined]


@pytest.fixture
def workers_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any reading for slow."""
    monkeypatch.setattr(ahead, "_SECONDS_OF_READING_WORTH_A_WORKER", 0.0)


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collects how many workers are started."""
    started: list[int] = []
    original = ahead.WorkerPool

    def spy(make: Any, num_workers: int, *arguments: Any) -> Any:
        started.append(num_workers)
        return original(make, num_workers, *arguments)

    monkeypatch.setattr(ahead, "WorkerPool", spy)
    return started


def test_quick_reading_starts_no_workers(
    reader: Any, pools: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_SECONDS_OF_READING_WORTH_A_WORKER", 60.0)
    assert numbers(InstanceStream(reader, "100", 2)) == list(range(100))
    assert pools == []
    assert reader.get_worker_info() is None


@pytest.mark.usefixtures("workers_always")
@pytest.mark.parametrize("num_workers", [2, 3])
@pytest.mark.parametrize("count", [0, 3, 64, 65, 1000])
def test_slow_reading_is_shared_and_keeps_its_order(
    reader: Any, pools: list[int], num_workers: int, count: int
) -> None:
    assert numbers(InstanceStream(reader, str(count), num_workers)) == list(range(count))
    assert pools == ([num_workers] if count >= 64 else [])
    assert reader.get_worker_info() is None


@pytest.mark.usefixtures("workers_always")
def test_one_worker_would_only_add_the_way(reader: Any, pools: list[int]) -> None:
    assert numbers(InstanceStream(reader, "100", 1)) == list(range(100))
    assert pools == []


class Undivided(DatasetReader):
    def _read(self, file_path: str) -> Iterable[Instance]:
        for _ in range(int(file_path)):
            yield Instance({"text": TextField.from_words(["a"], {"tokens": SingleIdTokenIndexer()})})


@pytest.mark.usefixtures("workers_always")
def test_indexers_must_not_travel() -> None:
    with pytest.raises(WorkerError, match="'text' has token indexers already"):
        list(read_with_workers(InstanceStream(Undivided(), "3", 1), "fork"))


@pytest.mark.usefixtures("workers_always")
def test_indexers_in_lists_are_found() -> None:
    class Lists(DatasetReader):
        def _read(self, file_path: str) -> Iterable[Instance]:
            yield Instance({"texts": ListField([TextField.from_words(["a"], {})])})

    with pytest.raises(WorkerError, match="'texts' has token indexers already"):
        list(read_with_workers(InstanceStream(Lists(), "x", 2), "fork"))


class Failing(DatasetReader):
    def __init__(self, after: int) -> None:
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True)
        self.after = after

    def _read(self, file_path: str) -> Iterable[Instance]:
        for number in self.shard_iterable(range(200)):
            if number >= self.after:
                raise ValueError(f"data.txt, line {number}: bad")
            yield Instance({"text": TextField.from_words(["a"])})


@pytest.mark.usefixtures("workers_always")
@pytest.mark.parametrize("after", [3, 150])
def test_errors_are_the_same_wherever_they_happen(after: int) -> None:
    with pytest.raises(WorkerError, match=f"data.txt, line {after}: bad"):
        list(read_with_workers(InstanceStream(Failing(after), "x", 2), "fork"))


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
