"""ELMo's LSTM against its layers run one by one, with states between batches."""

import torch

from nlpreg.modules.elmo_lstm import ElmoLstm

MASK = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]]).bool()


def run_row(lstm, words, states=None):
    """(layers, T, 2H) of one row, and the states of every layer and direction."""
    outputs, finals = [], []
    for direction, name in enumerate(("forward", "backward")):
        current = words.unsqueeze(0)
        for index, layer in enumerate(lstm.layers(name)):
            own = None if states is None else states[direction * lstm.num_layers + index]
            output, final = layer(current, [len(words)], own)
            current = output + current if index > 0 else output
            outputs.append(current[0])
            finals.append(final)
    half = lstm.num_layers
    return torch.stack([torch.cat([outputs[k], outputs[half + k]], dim=1) for k in range(half)]), finals


def test_directions_never_meet_and_inputs_are_added_from_the_second_layer_on():
    lstm = ElmoLstm(6, 6, 5, num_layers=3, memory_cell_clip_value=1.0, state_projection_clip_value=1.0)
    inputs = torch.randn(4, 4, 6)
    outputs = lstm(inputs, MASK)
    assert outputs.shape == (3, 4, 4, 12)
    for row, length in enumerate([2, 0, 3, 1]):
        assert not outputs[:, row, length:].any()
        if length:
            torch.testing.assert_close(outputs[:, row, :length], run_row(lstm, inputs[row, :length])[0])


def test_rows_go_on_where_they_stopped():
    lstm = ElmoLstm(6, 6, 5, num_layers=2)
    first, second = torch.randn(4, 4, 6), torch.randn(3, 2, 6)
    lstm(first, MASK)
    later = torch.tensor([[1, 0], [1, 1], [0, 0]]).bool()
    outputs = lstm(second, later)
    _, states = run_row(lstm, first[0, :2])
    torch.testing.assert_close(outputs[:, 0, :1], run_row(lstm, second[0, :1], states)[0])
    torch.testing.assert_close(outputs[:, 1, :2], run_row(lstm, second[1])[0])
    # Row 2 had nothing to read in the second batch, and row 3 was not there.
    third = torch.randn(4, 1, 6)
    outputs = lstm(third, torch.ones(4, 1).bool())
    for row, length in ((2, 3), (3, 1)):
        _, states = run_row(lstm, first[row, :length])
        torch.testing.assert_close(outputs[:, row], run_row(lstm, third[row], states)[0])


def test_nothing_but_padding():
    lstm = ElmoLstm(6, 6, 5, num_layers=2)
    outputs = lstm(torch.randn(2, 3, 6), torch.zeros(2, 3).bool())
    assert outputs.shape == (2, 2, 3, 12) and not outputs.any()
