"""Sorting rows, turning them around, and cutting their steps into spans."""

import itertools
import random

import pytest
import torch

from nlpreg.modules.sorted_rows import SortedRows, UnsortedRows, is_word

BATCHES = [[3, 1, 4, 1, 5], [5, 4, 4, 0], [0, 0], [2, 2, 2], [0, 7], [1]]


@pytest.mark.parametrize("span_cost", [0.0, 10.0])
@pytest.mark.parametrize("lengths", BATCHES)
def test_restoring_undoes_sorting(lengths, span_cost):
    num_steps = max(lengths) + 1
    rows = SortedRows(torch.tensor(lengths), num_steps, span_cost)
    tensor = torch.randn(len(lengths), num_steps, 2)
    expected = tensor.masked_fill(~is_word(torch.tensor(lengths), num_steps), 0)
    assert rows.sort(tensor).size(1) == max(lengths)
    assert torch.equal(rows.restore(rows.sort(tensor)), expected)
    states = (torch.randn(3, len(lengths), 2),)
    assert torch.equal(rows.restore_states(rows.sort_states(states))[0], states[0])


@pytest.mark.parametrize("span_cost", [0.0, 10.0])
@pytest.mark.parametrize("lengths", BATCHES)
def test_rows_are_turned_around_within_their_lengths(lengths, span_cost):
    rows = SortedRows(torch.tensor(lengths), max(lengths) + 1, span_cost)
    tensor = torch.randn(len(lengths), max(lengths), 2)
    turned = rows.turn(tensor)
    for row, length in enumerate(rows.lengths.tolist()):
        assert torch.equal(turned[row, :length], tensor[row, :length].flip(0))
        assert torch.equal(turned[row, length:], tensor[row, length:])


def test_a_full_batch_is_left_as_it_is():
    rows = SortedRows(torch.tensor([3, 3]), 3, span_cost=10.0)
    tensor = torch.randn(2, 3, 4)
    assert rows.is_full
    assert rows.sort(tensor) is tensor and rows.restore(tensor) is tensor
    assert torch.equal(rows.turn(tensor), tensor.flip(1))


def cost(lengths, cuts, span_cost):
    """Of running spans that end at `cuts` over the rows that are still going."""
    starts = [0, *cuts[:-1]]
    going = [sum(length > start for length in lengths) for start in starts]
    return sum(span_cost + rows * (end - start) for start, end, rows in zip(starts, cuts, going, strict=True))


@pytest.mark.parametrize("span_cost", [0.0, 2.5, 8.0, 100.0])
def test_no_other_spans_cost_less(span_cost):
    draw = random.Random(3)
    for _ in range(50):
        lengths = [draw.randint(0, 12) for _ in range(draw.randint(1, 9))]
        spans = SortedRows(torch.tensor(lengths), 12, span_cost).spans
        ends = sorted({length for length in lengths if length})
        if not ends:
            assert spans == []
            continue
        assert [start for start, _, _ in spans] == [0, *(end for _, end, _ in spans[:-1])]
        for start, end, rows in spans:
            assert start < end <= ends[-1]
            assert rows == sum(length > start for length in lengths) or len(spans) == 1
        cuts = [end for _, end, _ in spans]
        choices = [
            [*some, ends[-1]]
            for count in range(len(ends))
            for some in itertools.combinations(ends[:-1], count)
        ]
        least = min(cost(lengths, choice, span_cost) for choice in choices)
        # Rows without words take part in a single span, which saves sorting.
        assert cost(lengths, cuts, span_cost) == pytest.approx(least)


def test_without_a_cost_every_row_ends_with_a_span():
    assert SortedRows(torch.tensor([2, 5, 0, 5, 1]), 6, 0.0).spans == [(0, 1, 4), (1, 2, 3), (2, 5, 2)]


def test_a_dear_span_is_the_only_one_and_nothing_is_sorted():
    rows = SortedRows(torch.tensor([2, 5, 0]), 6, 100.0)
    assert rows.spans == [(0, 5, 3)]
    assert rows.order is None


def test_rows_that_are_not_sorted_are_turned_alike():
    lengths = torch.tensor([2, 0, 3, 1])
    rows = torch.arange(1.0, 13).view(4, 3, 1)
    unsorted = UnsortedRows(lengths, 3)
    assert unsorted.spans == [(0, 3, 4)]
    assert unsorted.sort(rows).flatten().tolist() == [1, 2, 0, 0, 0, 0, 7, 8, 9, 10, 0, 0]
    assert unsorted.turn(rows).flatten().tolist() == [2, 1, 3, 4, 5, 6, 9, 8, 7, 10, 11, 12]
