from collections.abc import Iterable
from typing import Any

import pytest

from nlpreg.data import DatasetReader, Instance
from nlpreg.data.data_loaders import WorkerError, instance_reading
from nlpreg.data.data_loaders.instance_reading import read_with_workers
from nlpreg.data.data_loaders.stream import InstanceStream
from nlpreg.data.fields import ListField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer


def numbers(stream: InstanceStream) -> list[int]:
    instances = list(read_with_workers(stream, "fork"))
    assert all("tokens" in instance["text"].token_indexers for instance in instances)  # type: ignore[attr-defined]
    return [instance["number"].metadata for instance in instances]  # type: ignore[attr-defined]


@pytest.fixture
def workers_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any reading for slow."""
    monkeypatch.setattr(instance_reading, "_SECONDS_WORTH_A_WORKER", 0.0)


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collects how many workers are started."""
    started: list[int] = []
    original = instance_reading.WorkerPool

    def spy(make: Any, num_workers: int, *arguments: Any) -> Any:
        started.append(num_workers)
        return original(make, num_workers, *arguments)

    monkeypatch.setattr(instance_reading, "WorkerPool", spy)
    return started


def test_quick_reading_starts_no_workers(
    reader: Any, pools: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_reading, "_SECONDS_WORTH_A_WORKER", 60.0)
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
