from collections.abc import Iterator

import numpy as np
import pytest

from nlpreg.data.data_loaders import batching
from nlpreg.data.data_loaders.batching import batch_indices, groups_of, pick, shuffled_stream


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


@pytest.mark.parametrize("drop_last", [True, False])
def test_groups(drop_last: bool) -> None:
    expected = [[0, 1], [2, 3]] if drop_last else [[0, 1], [2, 3], [4]]
    assert list(groups_of(iter(range(5)), 2, drop_last)) == expected


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
    monkeypatch.setattr(batching, "_PLACES_AT_ONCE", 7)
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
