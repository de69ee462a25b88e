from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nlpreg.common import Params
from nlpreg.data import DatasetReader, Instance, Token
from nlpreg.data.dataset_readers.dataset_reader import DistributedInfo, WorkerInfo
from nlpreg.data.fields import TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer


class Numbers(DatasetReader):
    """Reads the numbers below the one that it is given as its path."""

    def _read(self, file_path: str) -> Iterable[Instance]:
        numbers: Iterable[int] = range(int(file_path))
        if self.manual_distributed_sharding and self.manual_multiprocess_sharding:
            numbers = self.shard_iterable(numbers)
        for number in numbers:
            yield self.text_to_instance(number)

    def text_to_instance(self, number: int) -> Instance:
        return Instance({"text": TextField([Token(str(number))])})

    def apply_token_indexers(self, instance: Instance) -> None:
        instance["text"].token_indexers = {"tokens": SingleIdTokenIndexer()}


def read(reader: DatasetReader, path: Any = "10") -> list[int]:
    return [int(instance["text"].words[0]) for instance in reader.read(path)]


def test_reading_is_lazy_and_applies_the_indexers() -> None:
    instances = Numbers().read("10")
    assert isinstance(instances, Iterator)
    assert "tokens" in next(instances)["text"].token_indexers


def test_in_a_worker_the_indexers_are_left_to_the_consumer() -> None:
    reader = Numbers(manual_distributed_sharding=True, manual_multiprocess_sharding=True)
    reader._set_worker_info(WorkerInfo(1, 0))
    assert next(reader.read("1"))["text"]._token_indexers is None


@pytest.mark.parametrize("limit", [None, 0, 1, 7, 10, 99])
def test_max_instances(limit: int | None) -> None:
    expected = list(range(10))[:limit]
    assert read(Numbers(max_instances=limit)) == expected
    manual = Numbers(limit, manual_distributed_sharding=True, manual_multiprocess_sharding=True)
    assert read(manual) == expected


def test_a_negative_limit() -> None:
    with pytest.raises(ValueError, match="max_instances: expected 0 or more, got -1"):
        DatasetReader(max_instances=-1)


@pytest.mark.filterwarnings("ignore:Numbers runs in a loader worker")
@pytest.mark.parametrize("limit", [None, 0, 5, 7])
@pytest.mark.parametrize("world_size", [None, 1, 2, 3])
@pytest.mark.parametrize("num_workers", [None, 1, 2, 3])
@pytest.mark.parametrize("manual", [(False, False), (True, True)])
def test_every_instance_is_read_by_one_process(
    limit: int | None, world_size: int | None, num_workers: int | None, manual: tuple[bool, bool]
) -> None:
    everything = []
    for rank in range(world_size or 1):
        for worker in range(num_workers or 1):
            reader = Numbers(limit, *manual)
            if world_size is not None:
                reader._set_distributed_info(DistributedInfo(world_size, rank))
            if num_workers is not None:
                reader._set_worker_info(WorkerInfo(num_workers, worker))
            everything += read(reader)
    assert len(everything) == len(set(everything)) == min(10, 99 if limit is None else limit)
    if limit is None:
        assert sorted(everything) == list(range(10))


def test_shares_are_every_nth_item_of_the_rank_then_of_the_worker() -> None:
    reader = Numbers(manual_distributed_sharding=True, manual_multiprocess_sharding=True)
    reader._set_distributed_info(DistributedInfo(2, 1))
    assert read(reader) == [1, 3, 5, 7, 9]
    reader._set_worker_info(WorkerInfo(2, 1))
    assert read(reader) == [3, 7]
    assert reader.get_worker_info() == WorkerInfo(2, 1)
    assert reader.get_distributed_info() == DistributedInfo(2, 1)
    reader._set_distributed_info(None)
    assert read(reader) == [1, 3, 5, 7, 9]


def test_one_flag_alone_leaves_the_other_step_to_read() -> None:
    class Ranks(Numbers):
        def _read(self, file_path: str) -> Iterable[Instance]:
            info = self.get_distributed_info()
            assert info is not None
            for number in range(info.global_rank, int(file_path), info.world_size):
                yield self.text_to_instance(number)

    reader = Ranks(manual_distributed_sharding=True)
    reader._set_distributed_info(DistributedInfo(2, 0))
    reader._set_worker_info(WorkerInfo(2, 1))
    with pytest.warns(UserWarning, match="does not divide its work"):
        assert read(reader) == [2, 6]


def test_shard_iterable_needs_both_flags() -> None:
    with pytest.raises(ValueError, match="pass both to super"):
        DatasetReader(manual_distributed_sharding=True).shard_iterable([1])


def test_paths_of_every_kind_reach_the_reader() -> None:
    seen = []

    class Remember(DatasetReader):
        def _read(self, file_path: Any) -> Iterable[Instance]:
            seen.append(file_path)
            return []

    for path in ("a", Path("b"), ["c"], {"d": "e"}):
        assert list(Remember().read(path)) == []
    assert seen == ["a", "b", ["c"], {"d": "e"}]


def test_what_a_reader_must_write() -> None:
    with pytest.raises(NotImplementedError, match="DatasetReader has no _read"):
        list(DatasetReader().read("x"))
    with pytest.raises(NotImplementedError, match="DatasetReader has no text_to_instance"):
        DatasetReader().text_to_instance("x")
    DatasetReader().apply_token_indexers(Instance({}))


def test_a_reader_of_a_plugin_takes_the_arguments_of_the_base() -> None:
    @DatasetReader.register("plugin_numbers")
    class Plugin(Numbers):
        def __init__(self, step: int = 1, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.step = step

    reader = DatasetReader.from_params(
        Params({"type": "plugin_numbers", "step": 2, "max_instances": 3}), serialization_dir="out"
    )
    assert reader.max_instances == 3
    assert reader.serialization_dir == "out"
    assert reader.step == 2
