import random
import subprocess
import sys
from itertools import islice

import pytest

from nlpreg.common.iteration import (
    ConcatenatedSequence,
    ShuffledSequence,
    SlicedSequence,
    add_noise_to_dict_values,
    cycle_iterator_function,
    ensure_list,
    group_by_count,
    groups_of,
    groups_of_max_size,
    hash_object,
    in_turn,
    is_lazy,
    lazy_groups_of,
    namespace_match,
    num_groups,
    pad_sequence_to_length,
    shuffle_iterable,
)


def test_groups():
    assert group_by_count(range(5), 2, None) == [[0, 1], [2, 3], [4, None]]
    assert group_by_count([], 2, None) == []
    groups = lazy_groups_of(iter(range(5)), 3)
    assert next(groups) == [0, 1, 2]
    assert list(groups) == [[3, 4]]
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"group_size: expected 1 or more, got {size}"):
            next(lazy_groups_of([1], size))


@pytest.mark.parametrize(
    ("length", "right", "expected"),
    [
        (5, True, [1, 2, 3, 0, 0]),
        (2, True, [1, 2]),
        (5, False, [0, 0, 1, 2, 3]),
        (2, False, [2, 3]),
        (0, True, []),
        (0, False, []),
    ],
)
def test_pad_sequence_to_length(length, right, expected):
    items = [1, 2, 3]
    assert pad_sequence_to_length(items, length, padding_on_right=right) == expected
    assert items == [1, 2, 3]


def test_padding_items_are_made_one_by_one():
    padded = pad_sequence_to_length([], 2, default_value=list)
    assert padded == [[], []]
    assert padded[0] is not padded[1]


def test_noise_stays_within_its_share():
    noisy = [add_noise_to_dict_values({"a": 10.0, "b": 0.0}, 0.1) for _ in range(200)]
    assert all(9 <= d["a"] <= 11 and d["b"] == 0 for d in noisy)
    assert len({d["a"] for d in noisy}) > 100


def test_namespace_match():
    assert namespace_match("*tags", "pos_tags")
    assert namespace_match("*tags", "tags")
    assert not namespace_match("tags", "pos_tags")
    assert namespace_match("tokens", "tokens")
    assert not namespace_match("*tags", "tags_x")


def test_lists_and_lazy_things():
    items = [1]
    assert ensure_list(items) is items
    assert ensure_list(x for x in "ab") == ["a", "b"]
    assert is_lazy(iter(items))
    assert not is_lazy(items)


@pytest.mark.parametrize("pool_size", [1, 3, 10, 1000])
@pytest.mark.parametrize("size", [0, 1, 50])
def test_shuffle_gives_every_item_once_and_reads_only_the_pool_ahead(pool_size, size):
    read = []

    def source():
        for i in range(size):
            read.append(i)
            yield i

    given = []
    for item in shuffle_iterable(source(), pool_size):
        given.append(item)
        assert len(read) - len(given) <= pool_size
    assert sorted(given) == list(range(size))


def test_shuffle_follows_its_generator():
    one, two = (list(shuffle_iterable(range(30), 8, random.Random(5))) for _ in range(2))
    assert one == two != list(range(30))


def test_cycle_calls_the_function_anew():
    calls = []

    def make():
        calls.append(1)
        return range(2)

    assert list(islice(cycle_iterator_function(make), 5)) == [0, 1, 0, 1, 0]
    assert len(calls) == 3
    with pytest.raises(ValueError, match="without items"):
        next(cycle_iterator_function(list))


def test_hash_of_plain_values_is_the_same_in_every_process():
    value = {"a": [1, 2.5, None], "b": "ü"}
    program = (
        "from nlpreg.common.iteration import hash_object; print(hash_object({'a': [1, 2.5, None], 'b': 'ü'}))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert other.stdout.strip() == hash_object(value)
    assert hash_object(value) != hash_object({**value, "c": 1})


def test_shuffled_sequence_holds_every_item_once_and_copies_none():
    items = [object() for _ in range(50)]
    random.seed(3)
    view = ShuffledSequence(items)
    assert len(view) == 50
    assert {id(item) for item in view} == {id(item) for item in items}
    assert [id(item) for item in view] != [id(item) for item in items]


def test_shuffled_sequence_by_given_indices_and_slices_of_it():
    view = ShuffledSequence("abcde", [4, 0, 2])
    assert list(view) == ["e", "a", "c"]
    assert list(view[1:]) == ["a", "c"]
    assert view[-1] == "c"
    assert "b" not in view
    assert "e" in view


@pytest.mark.parametrize(
    "cut", [slice(2, 5), slice(None, None, 2), slice(None, None, -1), slice(7, 3), slice(-3, None)]
)
def test_sliced_sequence_equals_the_slice_of_a_list(cut):
    items = list(range(10))
    view = SlicedSequence(items, cut)
    assert list(view) == items[cut]
    assert list(view[1:]) == items[cut][1:]


def test_concatenated_sequence_equals_the_sum_of_lists():
    parts = [[1, 2], [], [3], [4, 5, 6], []]
    whole = [item for part in parts for item in part]
    view = ConcatenatedSequence(*parts)
    assert len(view) == len(whole)
    assert [view[i] for i in range(-6, 6)] == [whole[i] for i in range(-6, 6)]
    assert list(view[1:5:2]) == whole[1:5:2]
    assert 5 in view
    assert 7 not in view


def test_concatenated_sequence_refuses_what_is_outside():
    view = ConcatenatedSequence([1], [2])
    for index in (2, -3):
        with pytest.raises(IndexError, match="outside a sequence of 2 items"):
            view[index]
    with pytest.raises(ValueError, match="at least one sequence"):
        ConcatenatedSequence()


def test_in_turn() -> None:
    assert list(in_turn(["abc", "", "x"])) == ["a", "x", "b", "c"]
    assert list(in_turn([])) == []


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("num_items", range(7))
def test_groups_of_one_size(drop_last: bool, num_items: int) -> None:
    groups = list(groups_of(iter(range(num_items)), 3, drop_last))
    kept = num_items - num_items % 3 if drop_last else num_items
    assert [item for group in groups for item in group] == list(range(kept))
    assert len(groups) == num_groups(num_items, 3, drop_last)


def test_groups_of_a_maximum_size_with_padding() -> None:
    assert list(groups_of_max_size("abcde", [2, 3, 3, 9, 1], 6)) == [["a", "b"], ["c"], ["d"], ["e"]]
    assert list(groups_of_max_size("", [], 6)) == []
