import numpy as np
import pytest

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


@pytest.mark.parametrize("pool_size", [1, 3, 10, 99])
def test_a_stream_is_shuffled_within_its_pool(pool_size: int) -> None:
    items = list(shuffled_stream(iter(range(20)), pool_size, np.random.default_rng(1)))
    assert sorted(items) == list(range(20))
    # an item cannot come before the pool has reached it
    assert all(item < place + pool_size for place, item in enumerate(items))
    assert (items == list(range(20))) == (pool_size == 1)


def test_pick() -> None:
    assert pick("abc", [2, 0]) == ["c", "a"]
