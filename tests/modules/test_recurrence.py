"""The loop over time, with a step whose history can be read off."""

from functools import partial

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpreg.modules.augmented_lstm import AugmentedLstm
from nlpreg.modules.lstm_cell_with_projection import LstmCellWithProjection
from nlpreg.modules.recurrence import PaddedRows, run_recurrence

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
    run = getattr(layer, "run_packed", layer)
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
