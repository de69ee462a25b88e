"""The loop over time, with a step whose history can be read off."""

import itertools
import random
from functools import partial

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpreg.modules.augmented_lstm import AugmentedLstm
from nlpreg.modules.lstm_cell_with_projection import LstmCellWithProjection
from nlpreg.modules.recurrence import PaddedRows, SortedRows, UnsortedRows, is_word, run_recurrence

# Three rows of 3, 2 and 1 words; each word is a digit.
INPUTS = [torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[4.0], [5.0]]), torch.tensor([[6.0]])]


def append_digit(x, state):
    digits = 10 * state[0] + x
    return digits, state[1] + 1


@pytest.mark.parametrize(
    ("go_forward", "outputs", "final"),
    [
        (True, [[1, 2, 3], [14, 25], [146]], [146, 25, 3]),
        (False, [[641, 52, 3], [64, 5], [6]], [641, 52, 3]),
    ],
)
def test_each_row_runs_over_its_own_words(go_forward, outputs, final):
    zeros = torch.zeros(3, 1)
    found, (digits, counts) = run_recurrence(append_digit, INPUTS, (zeros, zeros), go_forward)
    assert [step.flatten().tolist() for step in found] == outputs
    assert digits.flatten().tolist() == final
    assert counts.flatten().tolist() == [3, 2, 1]


@pytest.mark.parametrize(("go_forward", "final"), [(True, [7146, 825, 93]), (False, [7641, 852, 93])])
def test_rows_start_from_their_own_states(go_forward, final):
    initial = (torch.tensor([[7.0], [8.0], [9.0]]), torch.zeros(3, 1))
    _, (digits, _) = run_recurrence(append_digit, INPUTS, initial, go_forward)
    assert digits.flatten().tolist() == final


def test_rows_without_words_keep_their_states_when_going_backward():
    initial = (torch.tensor([[7.0], [8.0]]), torch.zeros(2, 1))
    _, (digits, _) = run_recurrence(append_digit, [torch.tensor([[1.0]])], initial, go_forward=False)
    assert digits.flatten().tolist() == [71, 8]


@pytest.mark.parametrize("go_forward", [True, False])
@pytest.mark.parametrize(
    "make",
    [partial(AugmentedLstm, 3, 2), partial(LstmCellWithProjection, 3, 2, 4, state_projection_clip_value=0.1)],
)
def test_padded_rows_have_the_numbers_of_packed_ones(make, go_forward):
    torch.manual_seed(0)
    layer = make(go_forward=go_forward).double()
    run = layer.run_rows
    lengths = torch.tensor([4, 3, 3, 1])
    inputs = torch.randn(4, 5, 3, dtype=torch.double, requires_grad=True)
    memory_size = getattr(layer, "cell_size", 2)
    state = tuple(
        torch.randn(1, 4, size, dtype=torch.double, requires_grad=True) for size in (2, memory_size)
    )
    packed, final = run(pack_padded_sequence(inputs, lengths, batch_first=True), state)
    expected = [pad_packed_sequence(packed, batch_first=True, total_length=5)[0], *final]

    order = torch.tensor([2, 0, 3, 1])
    rows, final = run(PaddedRows(inputs[order], lengths[order]), tuple(part[:, order] for part in state))
    found = [rows.data[order.argsort()], *(part[:, order.argsort()] for part in final)]
    leaves = [inputs, *state, *layer.parameters()]
    probes = [torch.randn_like(tensor) for tensor in expected]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, leaves, probes), torch.autograd.grad(expected, leaves, probes)
    )


@pytest.mark.parametrize("go_forward", [True, False])
def test_padded_rows_without_words_keep_their_states(go_forward):
    layer = AugmentedLstm(3, 2, go_forward)
    state = (torch.randn(1, 2, 2), torch.randn(1, 2, 2))
    rows, final = layer(PaddedRows(torch.randn(2, 4, 3), torch.tensor([0, 0])), state)
    assert rows.data.shape == (2, 4, 2)
    assert not rows.data.any()
    torch.testing.assert_close(final, state)


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
    turned = rows.reverse(tensor)
    in_order = lengths if rows.order is None else [lengths[row] for row in rows.order]
    for row, length in enumerate(in_order):
        assert torch.equal(turned[row, :length], tensor[row, :length].flip(0))
        assert torch.equal(turned[row, length:], tensor[row, length:])


def test_a_full_batch_is_left_as_it_is():
    rows = SortedRows(torch.tensor([3, 3]), 3, span_cost=10.0)
    tensor = torch.randn(2, 3, 4)
    assert rows.is_full
    assert rows.sort(tensor) is tensor and rows.restore(tensor) is tensor
    assert torch.equal(rows.reverse(tensor), tensor.flip(1))


def cost(lengths, cuts, span_cost):
    """Of running spans that end at `cuts` over the rows that are still active."""
    starts = [0, *cuts[:-1]]
    num_active = [sum(length > start for length in lengths) for start in starts]
    return sum(
        span_cost + rows * (end - start) for start, end, rows in zip(starts, cuts, num_active, strict=True)
    )


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


def test_rows_that_are_not_sorted_are_reversed_alike():
    lengths = torch.tensor([2, 0, 3, 1])
    rows = torch.arange(1.0, 13).view(4, 3, 1)
    unsorted = UnsortedRows(lengths, 3)
    assert unsorted.spans == [(0, 3, 4)]
    assert unsorted.sort(rows).flatten().tolist() == [1, 2, 0, 0, 0, 0, 7, 8, 9, 10, 0, 0]
    assert unsorted.reverse(rows).flatten().tolist() == [2, 1, 3, 4, 5, 6, 9, 8, 7, 10, 11, 12]
