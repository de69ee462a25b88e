"""Layers that change direction, against the same layers run one by one over each row."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.stacked_alternating_lstm import StackedAlternatingLstm


@pytest.mark.parametrize("has_state", [False, True])
def test_even_layers_run_forward_and_odd_ones_backward(has_state):
    stack = StackedAlternatingLstm(3, 4, num_layers=3)
    inputs, lengths = torch.randn(2, 4, 3), [4, 2]
    states = (torch.randn(3, 2, 4), torch.randn(3, 2, 4)) if has_state else None
    packed, (h, c) = stack(pack_padded_sequence(inputs, torch.tensor(lengths), batch_first=True), states)
    outputs = pad_packed_sequence(packed, batch_first=True)[0]
    for row, length in enumerate(lengths):
        current = inputs[row, :length]
        for level in range(3):
            cell = getattr(stack, f"layer_{level}").cell
            state = tuple(
                torch.zeros(1, 4) if states is None else part[level, row : row + 1]
                for part in states or (0, 0)
            )
            steps = []
            for x in current if level % 2 == 0 else current.flip(0):
                state = cell(x.unsqueeze(0), state)
                steps.append(state[0])
            current = torch.cat(steps) if level % 2 == 0 else torch.cat(steps).flip(0)
            torch.testing.assert_close((h[level, row], c[level, row]), (state[0][0], state[1][0]))
        torch.testing.assert_close(outputs[row, :length], current)


def test_names_of_the_weights():
    names = StackedAlternatingLstm(3, 4, num_layers=2, use_input_projection_bias=False).state_dict()
    assert set(names) == {
        f"layer_{level}.cell.{name}"
        for level in range(2)
        for name in ("input_linearity.weight", "state_linearity.weight", "state_linearity.bias")
    }


def test_layers_in_order():
    stack = StackedAlternatingLstm(3, 4, num_layers=2)
    assert stack.lstm_layers == [stack.layer_0, stack.layer_1]
    assert [layer.go_forward for layer in stack.lstm_layers] == [True, False]


def test_wrong_number_of_states():
    packed = pack_padded_sequence(torch.zeros(1, 2, 3), torch.tensor([2]), batch_first=True)
    with pytest.raises(ConfigurationError, match="states of 2 layers, got 1"):
        StackedAlternatingLstm(3, 4, num_layers=2)(packed, (torch.zeros(1, 1, 4), torch.zeros(1, 1, 4)))
