import random

import pytest

from nlpreg.common.sequences import ConcatenatedSequence, ShuffledSequence, SlicedSequence


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
