import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpreg.data import Instance, Vocabulary
from nlpreg.data.data_loaders import stream as stream_module
from nlpreg.data.data_loaders.data_collator import DefaultDataCollator
from nlpreg.data.data_loaders.stream import (
    BatchStream,
    InstanceStream,
    StreamPosition,
    batch_indices,
    pick,
    shuffled_stream,
)
from nlpreg.data.dataset_readers import ConlluDatasetReader, ShardedDatasetReader
from nlpreg.data.dataset_readers.dataset_utils import text_files
from nlpreg.data.samplers import BatchSampler, BucketBatchSampler


def test_batches_in_order() -> None:
    assert batch_indices(5, 2, None) == [[0, 1], [2, 3], [4]]
    assert batch_indices(5, 2, None, drop_last=True) == [[0, 1], [2, 3]]
    assert batch_indices(4, 2, None, drop_last=True) == [[0, 1], [2, 3]]
    assert batch_indices(0, 2, None) == []


def test_shuffled_batches_hold_everything_once() -> None:
    batches = batch_indices(50, 7, np.random.default_rng(0))
    assert sorted(index for batch in batches for index in batch) == list(range(50))
    assert batches == batch_indices(50, 7, np.random.default_rng(0))
    assert batches != batch_indices(50, 7, np.random.default_rng(1))


def shuffled(pool_size: int, seed: int = 1, count: int = 20, **place: int) -> list[tuple[int, int]]:
    def items_from(first: int) -> Iterator[int]:
        return iter(range(first, count))

    return list(shuffled_stream(items_from, pool_size, np.random.default_rng(seed), **place))


@pytest.mark.parametrize("pool_size", [1, 3, 10, 20, 99])
def test_a_stream_is_shuffled_within_its_pool(pool_size: int) -> None:
    items = [item for item, _ in shuffled(pool_size)]
    assert sorted(items) == list(range(20))
    # an item cannot come before the pool has reached it
    assert all(item < place + pool_size for place, item in enumerate(items))
    assert (items == list(range(20))) == (pool_size == 1)
    assert items == [item for item, _ in shuffled(pool_size)]
    assert pool_size == 1 or items != [item for item, _ in shuffled(pool_size, seed=2)]


@pytest.mark.parametrize("count", [1, 20, 99])
@pytest.mark.parametrize("pool_size", [1, 3, 20, 50])
def test_a_shuffled_stream_goes_on_from_any_place(
    pool_size: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "_PLACES_AT_ONCE", 7)
    whole = shuffled(pool_size, count=count)
    for drawn, (_, read) in enumerate(whole, start=1):
        assert shuffled(pool_size, count=count, drawn=drawn, read=read) == whole[drawn:]


def test_going_on_reads_only_from_the_oldest_item_in_the_pool() -> None:
    whole, firsts = shuffled(10, count=1000), []

    def items_from(first: int) -> Iterator[int]:
        firsts.append(first)
        return iter(range(first, 1000))

    rest = list(shuffled_stream(items_from, 10, np.random.default_rng(1), 800, whole[799][1]))
    assert rest == whole[800:]
    assert firsts == [min(set(range(810)) - {item for item, _ in whole[:800]})]


def test_pick() -> None:
    assert pick("abc", [2, 0]) == ["c", "a"]


def flat(lists: Iterable[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def stream_of(reader: Any, vocab: Vocabulary, num_workers: int = 0, **arguments: Any) -> BatchStream:
    settings: dict[str, Any] = {
        "max_instances_in_memory": 5,
        "batch_size": 2,
        "drop_last": False,
        "shuffle": False,
        "batch_sampler": None,
        "collate_fn": DefaultDataCollator(),
        "vocab": vocab,
        **arguments,
    }
    return BatchStream(InstanceStream(reader, "12", num_workers), **settings)


def numbers_of(batches: Any) -> list[list[int]]:
    return [list(batch["number"]) for batch, _ in batches]


def test_in_order(reader: Any, number_vocab: Vocabulary) -> None:
    batches = list(stream_of(reader, number_vocab).batches(StreamPosition()))
    assert numbers_of(batches) == [[i, i + 1] for i in range(0, 12, 2)]
    assert batches[0][0]["text"]["tokens"]["tokens"].tolist() == [[2] + [0] * 7, [3] * 8]


def test_drop_last(reader: Any, number_vocab: Vocabulary) -> None:
    stream = stream_of(reader, number_vocab, batch_size=5, drop_last=True)
    assert numbers_of(stream.batches(StreamPosition())) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_shuffling_within_the_pool(reader: Any, number_vocab: Vocabulary) -> None:
    orders = [
        numbers_of(
            stream_of(reader, number_vocab, shuffle=True, data_pass=data_pass, rank=rank).batches(
                StreamPosition()
            )
        )
        for data_pass, rank in [(0, 0), (1, 0), (0, 1), (0, 0)]
    ]
    assert orders[0] == orders[3]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    numbers = flat(orders[0])
    assert sorted(numbers) == list(range(12))
    assert all(number < place + 5 for place, number in enumerate(numbers))


def test_a_sampler_sees_one_chunk_after_the_other(reader: Any, number_vocab: Vocabulary) -> None:
    class Reversed(BatchSampler):
        def get_batch_indices(self, instances: Any) -> Any:
            assert all(instance.indexed for instance in instances)
            yield list(range(len(instances)))[::-1]

    stream = stream_of(reader, number_vocab, batch_size=None, batch_sampler=Reversed())
    assert numbers_of(stream.batches(StreamPosition())) == [[4, 3, 2, 1, 0], [9, 8, 7, 6, 5], [11, 10]]


ORDERS = ("kept", "shuffled", "sampled")


def arguments_for(order: str) -> dict[str, Any]:
    if order == "sampled":
        return {"batch_size": None, "batch_sampler": BucketBatchSampler(2)}
    return {"shuffle": order == "shuffled"}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("leave_out", [0, 1, 3, 99])
def test_leaving_out_the_first(reader: Any, number_vocab: Vocabulary, order: str, leave_out: int) -> None:
    stream = stream_of(reader, number_vocab, **arguments_for(order))
    whole = numbers_of(stream.batches(StreamPosition()))
    assert numbers_of(stream.batches(StreamPosition(), leave_out=leave_out)) == whole[leave_out:]


class CountingReader(ConlluDatasetReader):
    """Notes which sentences it looks at closely; every fifth of them has no words, every seventh is bad."""

    def __init__(self) -> None:
        super().__init__(skip_bad_lines=True)
        self.parsed: list[int] = []

    def _instance_of(self, unit: str, file: str, line: int) -> Instance | None:
        self.parsed.append(int(unit.split("number = ")[1].split()[0]))
        return super()._instance_of(unit, file, line)


NUM_SENTENCES = 200


@pytest.fixture
def treebanks(tmp_path: Path) -> str:
    """The pattern of two files of numbered sentences."""
    for half in range(2):
        with open(tmp_path / f"{half}.conllu", "w", newline="\r\n" if half else "\n") as file:
            for number in range(half * NUM_SENTENCES // 2, (half + 1) * NUM_SENTENCES // 2):
                file.write(f"# number = {number} ü\n")
                if number % 7 == 6:
                    file.write("bad\n")
                elif number % 5:
                    for word in range(1, 2 + number % 3):
                        file.write(f"{word}\tw{number}\t_\tT{word}\t_\t_\t0\troot\t_\t_\n")
                file.write("\n" * (1 + number % 2))
    return str(tmp_path / "*.conllu")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("worker", [None, 0, 1])
def test_going_on_looks_only_at_what_is_needed(
    treebanks: str, order: str, worker: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "CHUNK_BYTES", 300)
    monkeypatch.setattr(stream_module, "_FIRST_INSTANCES_AT_ONCE", 2)
    vocab = Vocabulary.from_instances(ConlluDatasetReader(skip_bad_lines=True).read(treebanks))

    def stream_and_reader() -> tuple[BatchStream, CountingReader]:
        reader = CountingReader()
        instances = InstanceStream(reader, treebanks, 0 if worker is None else 2)
        stream = stream_of(reader, vocab, **{**arguments_for(order), "max_instances_in_memory": 8})
        return replace(stream, instances=instances), reader

    def batches_from(place: StreamPosition) -> tuple[list[tuple[Any, StreamPosition]], list[int]]:
        stream, reader = stream_and_reader()
        batches = [
            (batch["metadata"], StreamPosition.from_list(json.loads(json.dumps(end.as_list()))))
            for batch, end in stream.batches(place, worker)
        ]
        return batches, reader.parsed

    whole, everything = batches_from(StreamPosition())
    assert len(everything) == NUM_SENTENCES // (1 if worker is None else 2)
    for number, (_, place) in enumerate(whole, start=1):
        rest, parsed = batches_from(place)
        assert rest == whole[number:]
        given = [words for batch, _ in whole[:number] for words in batch]
        needed = len({str(words) for batch, _ in whole[number:] for words in batch})
        # what is left, what makes no instance, and with a sampler the chunk at hand and what a sampler learns from
        left_out = sum(1 for one in everything if one % 7 == 6 or one % 5 == 0)
        assert len(parsed) <= needed + left_out + (2 * 13 + 8 if order == "sampled" else 0)
        if order == "kept":
            last = int(given[-1]["words"][0][1:])
            assert min(parsed, default=NUM_SENTENCES) > last


def test_a_position_of_version_1_is_read() -> None:
    assert StreamPosition.from_list([3, 6, 8, 1, 2, [[5, 0, 70, 9]]]) == StreamPosition(3, 6, 8, 1, 2)


@pytest.mark.parametrize("worker", [None, 0, 1])
def test_files_that_are_shared_out_whole(
    treebanks: str, worker: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "CHUNK_BYTES", 300)
    vocab = Vocabulary.from_instances(ConlluDatasetReader(skip_bad_lines=True).read(treebanks))

    def rest_of(place: StreamPosition, order: str) -> tuple[list[tuple[Any, StreamPosition]], int]:
        base = CountingReader()
        instances = InstanceStream(ShardedDatasetReader(base), treebanks, 0 if worker is None else 2)
        stream = replace(stream_of(base, vocab, **arguments_for(order)), instances=instances)
        return [(batch["metadata"], end) for batch, end in stream.batches(place, worker)], len(base.parsed)

    for order in ORDERS:
        whole, _ = rest_of(StreamPosition(), order)
        for number in (1, len(whole) // 2, len(whole)):
            rest, num_parsed = rest_of(whole[number - 1][1], order)
            assert rest == whole[number:]
        assert num_parsed < 30


class OwnReading(ConlluDatasetReader):
    """Reads in a way of its own."""

    def _read(self, file_path: Any) -> Any:
        yield from reversed(list(super()._read(file_path)))


@pytest.mark.parametrize("arguments", [{}, {"max_instances": 17}])
def test_readers_that_cannot_defer(treebanks: str, arguments: dict[str, Any]) -> None:
    reader = OwnReading(skip_bad_lines=True, **arguments)
    assert not reader.can_defer()
    vocab = Vocabulary.from_instances(reader.read(treebanks))
    for order in ORDERS:
        stream = replace(
            stream_of(reader, vocab, **arguments_for(order)), instances=InstanceStream(reader, treebanks)
        )
        whole = [(batch["metadata"], end) for batch, end in stream.batches(StreamPosition())]
        for number in (1, len(whole) // 2, len(whole)):
            rest = [(batch["metadata"], end) for batch, end in stream.batches(whole[number - 1][1])]
            assert rest == whole[number:]
