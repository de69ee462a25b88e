"""Both directions in layers, against the same cells run one by one over each row."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.stacked_bidirectional_lstm import StackedBidirectionalLstm


def run_cell(cell, inputs, state, is_backward):
    steps = []
    for x in inputs.flip(0) if is_backward else inputs:
        state = cell(x.unsqueeze(0), state)
        steps.append(state[0])
    outputs = torch.cat(steps)
    return (outputs.flip(0) if is_backward else outputs), state


@pytest.mark.parametrize("has_state", [False, True])
def test_both_directions_feed_the_next_layer(has_state):
    stack = StackedBidirectionalLstm(3, 4, num_layers=2)
    inputs, lengths = torch.randn(2, 4, 3), [4, 2]
    states = (torch.randn(4, 2, 4), torch.randn(4, 2, 4)) if has_state else None
    packed, (h, c) = stack(pack_padded_sequence(inputs, torch.tensor(lengths), batch_first=True), states)
    outputs = pad_packed_sequence(packed, batch_first=True)[0]
    for row, length in enumerate(lengths):
        current = inputs[row, :length]
        for level in range(2):
            halves = []
            for direction, name in enumerate(("forward", "backward")):
                k = 2 * level + direction
                start = (
                    (torch.zeros(1, 4),) * 2
                    if states is None
                    else tuple(part[k, row : row + 1] for part in states)
                )
                cell = getattr(stack, f"{name}_layer_{level}").cell
                half, last = run_cell(cell, current, start, is_backward=direction == 1)
                torch.testing.assert_close((h[k, row], c[k, row]), (last[0][0], last[1][0]))
                halves.append(half)
            current = torch.cat(halves, dim=1)
        torch.testing.assert_close(outputs[row, :length], current)


def test_states_of_a_whole_layer_are_taken_too():
    stack = StackedBidirectionalLstm(3, 4, num_layers=2)
    packed = pack_padded_sequence(torch.randn(2, 3, 3), torch.tensor([3, 2]), batch_first=True)
    by_direction = (torch.randn(4, 2, 4), torch.randn(4, 2, 4))
    by_layer = tuple(torch.cat([part[0::2], part[1::2]], dim=2) for part in by_direction)
    torch.testing.assert_close(stack(packed, by_layer)[0].data, stack(packed, by_direction)[0].data)
    with pytest.raises(ConfigurationError, match=r"states of 2 layers, \(2, 'B', 4\), got \(3, 2, 4\)"):
        stack(packed, (torch.zeros(3, 2, 4), torch.zeros(3, 2, 4)))


def test_both_directions_start_from_the_state_of_their_layer():
    stack = StackedBidirectionalLstm(4, 5, 2)
    packed = pack_padded_sequence(torch.randn(3, 2, 4), torch.tensor([2, 2, 1]), batch_first=True)
    h, c = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    shared, _ = stack(packed, (h, c))
    own, _ = stack(packed, (h[[0, 0, 1, 1]], c[[0, 0, 1, 1]]))
    torch.testing.assert_close(shared.data, own.data)
    assert stack.lstm_layers == [
        [stack.forward_layer_0, stack.backward_layer_0],
        [stack.forward_layer_1, stack.backward_layer_1],
    ]


def test_layer_dropout_is_one_mask_for_all_words_of_a_row():
    stack = StackedBidirectionalLstm(3, 50, num_layers=2, layer_dropout_probability=0.5)
    masks = []
    stack.forward_layer_1.register_forward_pre_hook(lambda _, arguments: masks.append(arguments[0]))
    packed = pack_padded_sequence(torch.randn(3, 4, 3), torch.tensor([4, 2, 1]), batch_first=True)
    stack(packed)
    padded, lengths = pad_packed_sequence(masks[0], batch_first=True)
    for row, length in zip(padded, lengths, strict=True):
        is_dropped = row[:length] == 0
        assert (is_dropped == is_dropped[0]).all()
    assert 0.35 < (padded[0, 0] == 0).float().mean() < 0.65
    assert not torch.equal(padded[0, 0] == 0, padded[1, 0] == 0)
    stack.eval()
    stack(packed)
    assert (masks[1].data != 0).all()


def test_names_of_the_weights():
    names = StackedBidirectionalLstm(3, 4, num_layers=2).state_dict()
    assert set(names) == {
        f"{direction}_layer_{level}.cell.{name}"
        for direction in ("forward", "backward")
        for level in range(2)
        for name in ("input_linearity.weight", "state_linearity.weight", "state_linearity.bias")
    }
