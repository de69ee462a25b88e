from collections.abc import Iterable
from itertools import chain
from typing import Any

import pytest

from nlpreg.common import Params
from nlpreg.common.runtime.environment import set_run_seed
from nlpreg.data import DataLoader, Vocabulary
from nlpreg.data.data_loaders import SimpleDataLoader


def flat(lists: Iterable[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def numbers_of(batches: Any) -> list[list[int]]:
    return [list(batch["number"]) for batch in batches]


@pytest.fixture
def instances(reader: Any) -> list[Any]:
    return list(reader.read("7"))


def test_batches_in_order(instances: list[Any], number_vocab: Vocabulary) -> None:
    loader = SimpleDataLoader(instances, 3, vocab=number_vocab)
    assert len(loader) == 3
    assert numbers_of(loader) == [[0, 1, 2], [3, 4, 5], [6]]
    batch = next(iter(loader))
    assert batch["text"]["tokens"]["tokens"].shape == (3, 8)
    assert list(loader.iter_instances()) == instances
    assert loader.vocab is number_vocab


def test_shuffling_follows_from_seed_and_epoch(instances: list[Any], number_vocab: Vocabulary) -> None:
    def epochs() -> list[list[list[int]]]:
        loader = SimpleDataLoader(instances, 2, shuffle=True, vocab=number_vocab)
        return [numbers_of(loader) for _ in range(3)]

    first = epochs()
    assert epochs() == first
    assert first[0] != first[1] != first[2]
    assert all(sorted(flat(epoch)) == list(range(7)) for epoch in first)
    set_run_seed(5)
    assert epochs() != first


def test_resuming(instances: list[Any], number_vocab: Vocabulary) -> None:
    loader = SimpleDataLoader(instances, 2, shuffle=True, vocab=number_vocab)
    whole = [numbers_of(loader) for _ in range(2)]
    stopped = SimpleDataLoader(instances, 2, shuffle=True, vocab=number_vocab)
    numbers_of(stopped)
    batches = iter(stopped)
    next(batches), next(batches)
    resumed = SimpleDataLoader(instances, 2, shuffle=True, vocab=number_vocab)
    resumed.load_state_dict(stopped.state_dict())
    assert numbers_of(resumed) == whole[1][2:]


def test_batches_per_epoch(instances: list[Any], number_vocab: Vocabulary) -> None:
    loader = SimpleDataLoader(instances, 3, batches_per_epoch=2, vocab=number_vocab)
    assert len(loader) == 2
    assert [numbers_of(loader) for _ in range(2)] == [[[0, 1, 2], [3, 4, 5]], [[6], [0, 1, 2]]]


def test_from_config(reader: Any, number_vocab: Vocabulary) -> None:
    loader = DataLoader.from_params(
        Params({"type": "simple", "batch_size": 4, "quiet": True}), reader=reader, data_path="6"
    )
    assert isinstance(loader, SimpleDataLoader)
    loader.index_with(number_vocab)
    assert numbers_of(loader) == [[0, 1, 2, 3], [4, 5]]


def test_own_collate_function(instances: list[Any]) -> None:
    loader = SimpleDataLoader(instances, 4)
    loader.collate_fn = lambda batch: {"number": [len(batch)]}
    assert numbers_of(loader) == [[4], [3]]
