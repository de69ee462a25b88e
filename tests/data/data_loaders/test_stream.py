from collections.abc import Iterable
from itertools import chain
from typing import Any

import pytest

from nlpreg.data import Vocabulary
from nlpreg.data.data_loaders.data_collator import DefaultDataCollator
from nlpreg.data.data_loaders.stream import BatchStream, InstanceStream
from nlpreg.data.samplers import BatchSampler, BucketBatchSampler


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
    return [list(batch["number"]) for batch in batches]


def test_in_order(reader: Any, number_vocab: Vocabulary) -> None:
    batches = list(stream_of(reader, number_vocab).batches())
    assert numbers_of(batches) == [[i, i + 1] for i in range(0, 12, 2)]
    assert batches[0]["text"]["tokens"]["tokens"].tolist() == [[2] + [0] * 7, [3] * 8]  # type: ignore[index, union-attr]


def test_drop_last(reader: Any, number_vocab: Vocabulary) -> None:
    stream = stream_of(reader, number_vocab, batch_size=5, drop_last=True)
    assert numbers_of(stream.batches()) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_shuffling_within_the_pool(reader: Any, number_vocab: Vocabulary) -> None:
    orders = [
        numbers_of(stream_of(reader, number_vocab, shuffle=True, data_pass=data_pass, rank=rank).batches())
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
    assert numbers_of(stream.batches()) == [[4, 3, 2, 1, 0], [9, 8, 7, 6, 5], [11, 10]]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("with_sampler", [False, True])
@pytest.mark.parametrize("start", [0, 1, 3, 99])
def test_starting_late_is_leaving_out_the_first(
    reader: Any, number_vocab: Vocabulary, shuffle: bool, with_sampler: bool, start: int
) -> None:
    arguments: dict[str, Any] = {"shuffle": shuffle}
    if with_sampler:
        arguments = {"batch_size": None, "batch_sampler": BucketBatchSampler(2, ["text"], shuffle=shuffle)}
    whole = numbers_of(stream_of(reader, number_vocab, **arguments).batches())
    rest = numbers_of(stream_of(reader, number_vocab, start=start, **arguments).batches())
    assert rest == whole[start:]


def test_workers_say_how_many_they_left_out(reader: Any, number_vocab: Vocabulary) -> None:
    for worker, start, left_out in [(0, 0, 0), (0, 3, 2), (1, 3, 1), (1, 99, 3)]:
        stream = stream_of(reader, number_vocab, num_workers=2, start=start)
        first, *batches = stream.batches_of_worker(worker)
        assert first == left_out
        share = list(range(worker, 12, 2))
        assert flat(numbers_of(batches)) == share[2 * left_out :]
