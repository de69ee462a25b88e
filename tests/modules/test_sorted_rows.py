"""Sorting rows, turning them around, and cutting their steps into spans."""

import random

import pytest
import torch

from nlpreg.modules.sorted_rows import SortedRows, is_word

BATCHES = [[3, 1, 4, 1, 5], [5, 4, 4, 0], [0, 0], [2, 2, 2], [0, 7], [1]]


@pytest.mark.parametrize("lengths", BATCHES)
def test_restoring_undoes_sorting(lengths):
    num_steps = max(lengths) + 1
    rows = SortedRows(torch.tensor(lengths), num_steps, is_exact=False)
    tensor = torch.randn(len(lengths), num_steps, 2)
    expected = tensor.masked_fill(~is_word(torch.tensor(lengths), num_steps), 0)
    assert rows.sort(tensor).size(1) == max(lengths)
    assert torch.equal(rows.restore(rows.sort(tensor)), expected)
    states = (torch.randn(3, len(lengths), 2),)
    assert torch.equal(rows.restore_states(rows.sort_states(states))[0], states[0])


@pytest.mark.parametrize("lengths", BATCHES)
def test_rows_are_turned_around_within_their_lengths(lengths):
    rows = SortedRows(torch.tensor(lengths), max(lengths) + 1, is_exact=False)
    tensor = torch.randn(len(lengths), max(lengths), 2)
    turned = rows.turn(tensor)
    for row, length in enumerate(sorted(lengths, reverse=True)):
        assert torch.equal(turned[row, :length], tensor[row, :length].flip(0))
        assert torch.equal(turned[row, length:], tensor[row, length:])


def test_a_full_batch_is_left_as_it_is():
    rows = SortedRows(torch.tensor([3, 3]), 3, is_exact=False)
    tensor = torch.randn(2, 3, 4)
    assert rows.is_full
    assert rows.sort(tensor) is tensor and rows.restore(tensor) is tensor
    assert torch.equal(rows.turn(tensor), tensor.flip(1))


@pytest.mark.parametrize("is_exact", [False, True])
def test_spans_cover_every_word_once_and_little_more(is_exact):
    draw = random.Random(3)
    for _ in range(50):
        lengths = [draw.randint(0, 12) for _ in range(draw.randint(1, 9))]
        spans = SortedRows(torch.tensor(lengths), 12, is_exact).spans
        assert [start for start, _, _ in spans] == [0, *(end for _, end, _ in spans)][: len(spans)]
        for start, end, going in spans:
            assert start < end
            assert going == sum(length > start for length in lengths)
            inside = [length for length in lengths if length > start]
            if is_exact:
                assert min(inside) == end
            else:
                # More than half of the rows need the whole span.
                assert 2 * sum(length >= end for length in inside) > going
        computed = sum((end - start) * going for start, end, going in spans)
        assert sum(lengths) <= computed <= (1 if is_exact else 2) * sum(lengths)
