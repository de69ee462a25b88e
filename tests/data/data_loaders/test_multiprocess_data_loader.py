import json
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.runtime.environment import set_run_seed
from nlpreg.data import DataLoader, Instance, Vocabulary
from nlpreg.data.data_loaders import MultiProcessDataLoader, WorkerError
from nlpreg.data.data_loaders import multiprocess_data_loader as module
from nlpreg.data.data_loaders.multiprocess_data_loader import (
    prefetch_batches,
    prefetch_stream,
    read_with_workers,
)
from nlpreg.data.data_loaders.stream import BatchStream, InstanceStream, StreamPosition
from nlpreg.data.dataset_readers import SequenceTaggingDatasetReader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, DistributedInfo
from nlpreg.data.fields import ListField, MetadataField, TextField
from nlpreg.data.samplers import BatchSampler, BucketBatchSampler, MaxTokensBatchSampler
from nlpreg.data.token_indexers import SingleIdTokenIndexer


def numbers(stream: InstanceStream) -> list[int]:
    instances = list(read_with_workers(stream, "fork"))
    assert all("tokens" in instance["text"].token_indexers for instance in instances)
    return [instance["number"].metadata for instance in instances]


@pytest.fixture
def workers_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any reading for slow."""
    monkeypatch.setattr(module, "_SECONDS_OF_READING_WORTH_A_WORKER", 0.0)


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collects how many workers are started."""
    started: list[int] = []
    original = module.WorkerPool

    def spy(make: Any, num_workers: int, *arguments: Any) -> Any:
        started.append(num_workers)
        return original(make, num_workers, *arguments)

    monkeypatch.setattr(module, "WorkerPool", spy)
    return started


def test_quick_reading_starts_no_workers(
    reader: Any, pools: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS_OF_READING_WORTH_A_WORKER", 60.0)
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
    batches: list[Any] = list(prefetch_batches(quick, slow, range(3, 20), 2))
    assert [batch["number"] for batch in batches] == list(range(3, 20))
    assert {batch["at"] for batch in batches} == {os.getpid()}


@pytest.mark.parametrize("count", [0, 1, 4, 5, 12])
@pytest.mark.parametrize("num_workers", [1, 3])
def test_slow_ones_in_workers_after_the_first(num_workers: int, count: int) -> None:
    batches: list[Any] = list(prefetch_batches(slow, quick, range(count), num_workers))
    assert [batch["number"] for batch in batches] == list(range(count))
    here = [batch["at"] == os.getpid() for batch in batches]
    assert here == [number < 4 for number in range(count)]


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS_WORTH_A_WORKER", 0.0)

    def fail(number: int) -> Any:
        if number == 7:
            raise ValueError("bad batch")
        return quick(number)

    batches = prefetch_batches(fail, fail, range(10), 2)
    assert [next(batches)["number"] for _ in range(7)] == list(range(7))
    with pytest.raises(WorkerError, match="bad batch"):
        next(batches)


MakeStream = Callable[..., BatchStream]


class Clock:
    """Goes on only where a test says so, whatever else the machine does."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "_num_cores", lambda: 2)
    return clock


@pytest.fixture
def stream(reader: Any, number_vocab: Vocabulary, clock: Clock) -> MakeStream:
    """MakeStreams a stream of batches of two numbers, which take some seconds and are told where they were made."""

    def stream(count: int, seconds: float = 0.0) -> BatchStream:
        def collate(instances: list[Any]) -> Any:
            clock.now += seconds
            return {"number": [one["number"].metadata for one in instances], "at": os.getpid()}

        numbers = InstanceStream(reader, str(count), 1)
        return BatchStream(numbers, 5, 2, False, True, None, collate, number_vocab)

    return stream


@pytest.mark.parametrize("leave_out", [0, 3])
def test_a_worker_takes_over_where_both_sides_have_work_to_do(
    stream: MakeStream, clock: Clock, leave_out: int
) -> None:
    batches: list[Any] = []
    for batch, _ in prefetch_stream(stream(120, seconds=0.004), StreamPosition(), leave_out, "fork"):
        clock.now += 0.004
        batches.append(batch)
    expected = [batch["number"] for batch, _ in stream(120).batches(StreamPosition())]
    assert [batch["number"] for batch in batches] == expected[leave_out:]
    here = [batch["at"] == os.getpid() for batch in batches]
    assert here[0] and not here[-1]
    assert here == sorted(here, reverse=True)
    assert not multiprocessing.active_children()


def test_no_worker_where_there_is_little_to_do(stream: MakeStream, clock: Clock) -> None:
    for count, seconds in ((6, 0.004), (60, 0.0)):
        for batch, _ in prefetch_stream(stream(count, seconds), StreamPosition(), 0, "fork"):
            clock.now += 0.004
            assert batch["at"] == os.getpid()
    # nothing is done with the batches
    for batch, _ in prefetch_stream(stream(60, 0.004), StreamPosition(), 0, "fork"):
        assert batch["at"] == os.getpid()


@pytest.mark.parametrize("bad", [1, 70])
def test_errors_in_a_stream_are_the_same_wherever_they_happen(
    stream: MakeStream, clock: Clock, bad: int
) -> None:
    whole = stream(120, 0.004)

    def collate(instances: list[Any]) -> Any:
        if any(one["number"].metadata == bad for one in instances):
            raise ValueError("bad batch")
        return whole.collate_fn(instances)

    with pytest.raises(WorkerError, match="bad batch"):
        for _ in prefetch_stream(replace(whole, collate_fn=collate), StreamPosition(), 0, "fork"):
            clock.now += 0.004


COUNT = 23

Make = Callable[..., MultiProcessDataLoader]


def flat(lists: Iterable[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def numbers_of(batches: Iterable[Any]) -> list[list[int]]:
    return [list(batch["number"]) for batch in batches]


WAYS: list[dict[str, Any]] = [
    {},
    {"num_workers": 1},
    {"num_workers": 2},
    {"max_instances_in_memory": 5},
    {"max_instances_in_memory": 5, "num_workers": 1},
    {"max_instances_in_memory": 5, "num_workers": 3},
]


@pytest.mark.usefixtures("workers_at_once")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("order", ["kept", "shuffled", "bucket", "max_tokens"])
def test_every_instance_comes_once_and_any_place_can_be_gone_back_to(
    make: Make, way: dict[str, Any], order: str
) -> None:
    def loader() -> MultiProcessDataLoader:
        samplers: dict[str, BatchSampler] = {
            "bucket": BucketBatchSampler(3, ["text"]),
            "max_tokens": MaxTokensBatchSampler(25, ["text"]),
        }
        if order in samplers:
            return make(batch_sampler=samplers[order], **way)
        return make(shuffle=order == "shuffled", **way)

    whole, states = loader(), []
    epochs = [numbers_of(whole)]
    epochs.append([])
    for batch in whole:
        epochs[1].append(list(batch["number"]))
        states.append(json.loads(json.dumps(whole.state_dict())))
    for epoch in epochs:
        assert sorted(flat(epoch)) == list(range(COUNT))
    assert (epochs[0] == epochs[1]) == (order == "kept")
    if way.get("max_instances_in_memory") is None:
        # `len` is that of the epoch to come
        fresh = loader()
        assert len(fresh) == len(epochs[0])
        assert numbers_of(fresh) == epochs[0]
    last = len(states)
    # a state may also be made by hand, as far as it is known where to go
    handmade = [(stop, {"epoch": 1, "batches": stop}) for stop in (1, last)]
    for stop, state in [*handmade, *((stop, states[stop - 1]) for stop in (1, last // 2, last))]:
        resumed = loader()
        resumed.load_state_dict(state)
        assert numbers_of(resumed) == epochs[1][stop:]
    set_run_seed(99)
    assert (numbers_of(loader()) == epochs[0]) == (order == "kept")


@pytest.mark.usefixtures("workers_at_once")
def test_reading_order_is_kept(make: Make) -> None:
    expected = [list(range(start, min(start + 3, COUNT))) for start in range(0, COUNT, 3)]
    for way in WAYS[:4]:
        assert numbers_of(make(**way)) == expected


@pytest.mark.usefixtures("workers_at_once")
def test_the_batches_are_those_that_collating_gives(make: Make, number_vocab: Vocabulary) -> None:
    first = [list(make(**way)) for way in (WAYS[0], WAYS[2], WAYS[3], WAYS[4])]
    for batches in first[1:]:
        for batch, expected in zip(batches, first[0], strict=True):
            ids, expected_ids = batch["text"]["tokens"]["tokens"], expected["text"]["tokens"]["tokens"]
            assert torch.equal(ids, expected_ids)
            assert ids.dtype == torch.int64


@pytest.mark.parametrize("way", [WAYS[0], WAYS[3]])
def test_drop_last(make: Make, way: dict[str, Any]) -> None:
    loader = make(drop_last=True, **way)
    assert [len(batch) for batch in numbers_of(loader)] == [3] * 7
    if not way:
        assert len(loader) == 7
        assert len(make()) == 8


@pytest.mark.usefixtures("workers_at_once")
@pytest.mark.parametrize("way", [WAYS[0], WAYS[1], WAYS[3], WAYS[5]])
def test_epochs_of_a_fixed_number_of_batches(make: Make, way: dict[str, Any]) -> None:
    plain = make(shuffle=True, **way)
    stream = flat(numbers_of(plain) for _ in range(4))
    loader = make(shuffle=True, batches_per_epoch=5, **way)
    assert len(loader) == 5
    epochs, states = [], []
    for _ in range(3):
        epochs.append(numbers_of(loader))
        states.append(loader.state_dict())
    assert flat(epochs) == stream[:15]
    resumed = make(shuffle=True, batches_per_epoch=5, **way)
    resumed.load_state_dict(states[0])
    assert [numbers_of(resumed) for _ in range(2)] == epochs[1:]


@pytest.mark.usefixtures("workers_at_once")
@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_two_ranks_with_two_workers_see_everything_once(
    make: Make, way: dict[str, Any], world_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = []
    for rank in range(world_size):
        monkeypatch.setattr(module, "current_rank", lambda rank=rank: rank)
        reader = make().reader
        reader._set_distributed_info(DistributedInfo(world_size, rank))
        loader = make(reader=reader, shuffle=True, **way)
        for _ in range(2):
            numbers.append(flat(numbers_of(loader)))
    for epoch in range(2):
        assert sorted(flat(numbers[epoch::2])) == list(range(COUNT))


@pytest.mark.usefixtures("workers_at_once")
@pytest.mark.parametrize("start_method", ["spawn", "forkserver"])
@pytest.mark.slow
def test_other_ways_to_start_workers(
    tagging_reader: SequenceTaggingDatasetReader, sentences: str, start_method: str
) -> None:
    def batches(**arguments: Any) -> list[list[int]]:
        loader = MultiProcessDataLoader(
            tagging_reader, sentences, batch_size=4, quiet=True, max_instances_in_memory=8, **arguments
        )
        loader.index_with(Vocabulary.from_instances(loader.iter_instances()))
        return [batch["tags"].tolist() for batch in loader]

    assert batches(num_workers=1, start_method=start_method) == batches()


def test_indexing_comes_first(reader: Any) -> None:
    loader = MultiProcessDataLoader(reader, "3", batch_size=2, quiet=True)
    assert [i["number"].metadata for i in loader.iter_instances()] == [0, 1, 2]
    assert not any(instance.indexed for instance in loader.iter_instances())
    with pytest.raises(ValueError, match=r"before index_with\(vocab\) was called"):
        iter(loader)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_instances_of_a_stream_are_read_anew(reader: Any, num_workers: int) -> None:
    loader = MultiProcessDataLoader(
        reader, "5", batch_size=2, quiet=True, max_instances_in_memory=2, num_workers=num_workers
    )
    for _ in range(2):
        assert [i["number"].metadata for i in loader.iter_instances()] == [0, 1, 2, 3, 4]
    with pytest.raises(TypeError, match="set batches_per_epoch"):
        len(loader)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 2, "num_workers": -1}, "num_workers: expected 0 or more, got -1"),
        ({"batch_size": 0}, "batch_size: expected 1 or more, got 0"),
        ({}, "expected a batch_size or a batch_sampler, got neither"),
        ({"batch_sampler": BucketBatchSampler(2), "batch_size": 2}, "batch_size and batch_sampler exclude"),
        ({"batch_sampler": BucketBatchSampler(2), "drop_last": True}, "drop_last and batch_sampler exclude"),
        ({"batch_sampler": BucketBatchSampler(2), "shuffle": True}, "shuffle and batch_sampler exclude"),
        ({"batch_size": 2, "batches_per_epoch": 0}, "batches_per_epoch: expected 1 or more"),
        ({"batch_size": 3, "max_instances_in_memory": 2}, r"expected the batch size \(3\) or more, got 2"),
        ({"batch_sampler": BucketBatchSampler(2), "max_instances_in_memory": 0}, "or more, got 0"),
    ],
)
def test_arguments_that_contradict_each_other(reader: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiProcessDataLoader(reader, "5", **arguments)


def test_attributes_and_config(reader: Any) -> None:
    config = {"batch_size": 2, "cuda_device": -1, "quiet": True, "batches_per_epoch": 3, "shuffle": True}
    loader = DataLoader.from_params(Params(config), reader=reader, data_path="5")
    assert isinstance(loader, MultiProcessDataLoader)
    assert loader.reader is reader
    assert loader.data_path == "5"
    assert (loader.batch_size, loader.shuffle, loader.batches_per_epoch, loader.quiet) == (2, True, 3, True)
    assert loader.cuda_device == torch.device("cpu")
    assert loader.max_instances_in_memory is None
    sampled = DataLoader.from_params(
        Params({"batch_sampler": {"type": "bucket", "batch_size": 2}, "quiet": True, "cuda_device": "meta"}),
        reader=reader,
        data_path="5",
    )
    assert sampled.batch_sampler.batch_size == 2
    assert sampled.cuda_device == torch.device("meta")


def test_no_instances(reader: Any) -> None:
    with pytest.raises(ConfigurationError, match="0: NumberedReader found no instances there"):
        MultiProcessDataLoader(reader, "0", batch_size=2, quiet=True)
    reader.max_instances = 0
    assert len(MultiProcessDataLoader(reader, "5", batch_size=2, quiet=True)) == 0


@pytest.mark.parametrize("way", [{"batch_size": 2}, {"batch_sampler": BucketBatchSampler(2)}])
@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("batches_per_epoch", [None, 3])
def test_a_rank_without_instances_has_no_batches(
    make: Make, way: dict[str, Any], num_workers: int, batches_per_epoch: int | None
) -> None:
    def of_rank(rank: int, count: int) -> MultiProcessDataLoader:
        reader = make().reader
        reader._set_distributed_info(DistributedInfo(4, rank))
        return make(count, reader, num_workers=num_workers, batches_per_epoch=batches_per_epoch, **way)

    loader = of_rank(3, 2)
    assert len(loader) == 0
    assert [list(loader), list(loader)] == [[], []]
    assert loader.reader.get_distributed_info() == DistributedInfo(4, 3)
    assert flat(numbers_of(of_rank(1, 2)))[0] == 1
    with pytest.raises(ConfigurationError, match="0: NumberedReader found no instances there"):
        of_rank(3, 0)


def test_states_of_streams_fit_the_same_settings(make: Make) -> None:
    def loader(**arguments: Any) -> MultiProcessDataLoader:
        return make(**{"max_instances_in_memory": 5, "shuffle": True, **arguments})

    for num_workers in (0, 2):
        whole = loader(num_workers=num_workers)
        next(iter(whole))
        state = whole.state_dict()
        for changed, message in [
            (
                {"num_workers": 3},
                f"num_workers: expected {max(1, num_workers)}, .* got 3; .* between two passes",
            ),
            ({"max_instances_in_memory": 6}, "max_instances_in_memory: expected 5, .* got 6"),
            ({"max_instances_in_memory": None}, "max_instances_in_memory: expected 5, .* got None"),
            ({"shuffle": False}, "shuffle: expected True, .* got False"),
        ]:
            with pytest.raises(ConfigurationError, match=message):
                loader(**{"num_workers": num_workers, **changed}).load_state_dict(state)
        other = loader(num_workers=num_workers)
        other.reader._set_distributed_info(DistributedInfo(2, 0))
        with pytest.raises(ConfigurationError, match="number of processes: expected 1, .* got 2"):
            other.load_state_dict(state)
        other.reader._set_distributed_info(None)
        # between two passes anything goes
        list(whole)
        loader(num_workers=3).load_state_dict(whole.state_dict())


@pytest.mark.usefixtures("workers_at_once")
def test_one_worker_goes_on_where_none_stopped(make: Make) -> None:
    for first, second in ((0, 1), (1, 0)):
        whole = make(max_instances_in_memory=5, shuffle=True, num_workers=first)
        batches = iter(whole)
        before = numbers_of(islice(batches, 3))
        resumed = make(max_instances_in_memory=5, shuffle=True, num_workers=second)
        resumed.load_state_dict(whole.state_dict())
        after = numbers_of(resumed)
        assert after == numbers_of(batches)
        assert sorted(flat(before + after)) == list(range(COUNT))


class DrawingReader(DatasetReader):
    """Gives each instance a number that it draws."""

    def _read(self, file_path: Any) -> Iterator[Instance]:
        for _ in range(COUNT):
            yield Instance({"number": MetadataField(random.random())})


@pytest.mark.usefixtures("workers_at_once")
def test_what_a_reader_draws_does_not_depend_on_how_fast_batches_are_used() -> None:
    def loader() -> MultiProcessDataLoader:
        loader = MultiProcessDataLoader(
            DrawingReader(), "", batch_size=2, max_instances_in_memory=4, num_workers=1, quiet=True
        )
        loader.index_with(Vocabulary())
        return loader

    random.seed(1)
    whole = numbers_of(loader())
    random.seed(2)
    slow, found = loader(), []
    for batch in islice(slow, 5):
        time.sleep(0.02)
        found.append(list(batch["number"]))
    resumed = loader()
    resumed.load_state_dict(slow.state_dict())
    assert found + numbers_of(resumed) == whole


class OldSampler:
    """A sampler of a plugin that knows nothing of ours."""

    def get_batch_indices(self, instances: list[Instance]) -> Iterable[list[int]]:
        return [[1, 0], [2]]

    def get_num_batches(self, instances: list[Instance]) -> int:
        return 2


@pytest.mark.parametrize("way", [WAYS[0], WAYS[3]])
def test_a_sampler_that_is_not_derived_from_ours(make: Make, way: dict[str, Any]) -> None:
    loader = make(count=3, batch_sampler=OldSampler(), **way)
    assert numbers_of(loader) == [[1, 0], [2]]


def test_target_device(make: Make) -> None:
    loader = make()
    loader.set_target_device(torch.device("meta"))
    assert next(iter(loader))["text"]["tokens"]["tokens"].device.type == "meta"
