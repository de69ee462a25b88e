"""The augmented LSTM against its equations, one word at a time."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.augmented_lstm import AugmentedLstm, AugmentedLSTMCell, BiAugmentedLstm


def written_out(layer, inputs, go_forward, state=None):
    """One row (T, D) through a layer, by the equations; outputs in the order of the words, and the last state."""
    cell, size = layer.cell, layer.hidden_size
    h, c = state or (torch.zeros(size), torch.zeros(size))
    outputs = []
    for x in inputs if go_forward else inputs.flip(0):
        a = cell.input_linearity.weight @ x
        if cell.input_linearity.bias is not None:
            a = a + cell.input_linearity.bias
        r = cell.state_linearity.weight @ h + cell.state_linearity.bias
        i, f, g, o = (a[k * size : (k + 1) * size] + r[k * size : (k + 1) * size] for k in range(4))
        c = torch.sigmoid(i) * torch.tanh(g) + torch.sigmoid(f) * c
        h = torch.sigmoid(o) * torch.tanh(c)
        if cell.use_highway:
            gate = torch.sigmoid(a[4 * size : 5 * size] + r[4 * size :])
            h = gate * h + (1 - gate) * a[5 * size :]
        outputs.append(h)
    stacked = torch.stack(outputs)
    return (stacked if go_forward else stacked.flip(0)), (h, c)


def test_cell_on_known_numbers():
    cell = AugmentedLSTMCell(1, 1)
    with torch.no_grad():
        cell.input_linearity.weight.copy_(torch.tensor([[0.1], [0.2], [0.3], [0.4], [0.5], [0.6]]))
        cell.input_linearity.bias.zero_()
        cell.state_linearity.weight.fill_(0.1)
        cell.state_linearity.bias.copy_(torch.tensor([0.0, 1, 0, 0, 0]))
    h, c = cell(torch.tensor([[1.0]]), (torch.tensor([[0.5]]), torch.tensor([[-0.2]])))
    torch.testing.assert_close(
        torch.stack([h, c]).flatten(), torch.tensor([0.229320, 0.025318]), atol=1e-5, rtol=0
    )


def test_cell_starts_with_an_open_forget_gate_and_orthogonal_blocks():
    cell = AugmentedLSTMCell(4, 4)
    bias = cell.state_linearity.bias.detach()
    assert torch.equal(bias, torch.tensor([0.0] * 4 + [1.0] * 4 + [0.0] * 12))
    for block in (
        *cell.input_linearity.weight.detach().split(4),
        *cell.state_linearity.weight.detach().split(4),
    ):
        torch.testing.assert_close(block @ block.T, torch.eye(4), atol=1e-5, rtol=0)


def test_cell_drops_of_the_state_in_training_only():
    cell = AugmentedLSTMCell(2, 3)
    x, h, c = torch.randn(1, 2), torch.randn(1, 3), torch.randn(1, 3)
    mask = torch.zeros(1, 3)
    torch.testing.assert_close(cell(x, (h, c), mask), cell(x, (torch.zeros(1, 3), c)))
    cell.eval()
    torch.testing.assert_close(cell(x, (h, c), mask), cell(x, (h, c)))


@pytest.mark.parametrize("has_state", [False, True])
@pytest.mark.parametrize("use_highway", [False, True])
@pytest.mark.parametrize("go_forward", [False, True])
def test_layer_follows_the_equations(go_forward, use_highway, has_state):
    layer = AugmentedLstm(3, 4, go_forward, use_highway=use_highway, use_input_projection_bias=use_highway)
    lengths = [2, 5, 1, 5, 3]
    inputs = torch.randn(5, 5, 3)
    states = (torch.randn(1, 5, 4), torch.randn(1, 5, 4)) if has_state else None
    packed = pack_padded_sequence(inputs, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    output, (h, c) = layer(packed, states)
    padded, _ = pad_packed_sequence(output, batch_first=True)
    for row, length in enumerate(lengths):
        own = None if states is None else (states[0][0, row], states[1][0, row])
        expected, (last_h, last_c) = written_out(layer, inputs[row, :length], go_forward, own)
        torch.testing.assert_close(padded[row, :length], expected)
        torch.testing.assert_close(h[0, row], last_h)
        torch.testing.assert_close(c[0, row], last_c)


@pytest.mark.parametrize("go_forward", [False, True])
def test_gradients(go_forward):
    layer = AugmentedLstm(2, 3, go_forward).double()
    inputs = torch.randn(3, 4, 2, dtype=torch.double, requires_grad=True)
    states = tuple(torch.randn(1, 3, 3, dtype=torch.double, requires_grad=True) for _ in range(2))

    def run(x, h, c, *_):
        packed, final = layer(pack_padded_sequence(x, torch.tensor([4, 2, 1]), batch_first=True), (h, c))
        return packed.data, *final

    assert torch.autograd.gradcheck(run, [inputs, *states, *layer.parameters()])


def test_recurrent_dropout_is_the_same_at_every_step():
    """With the input alone deciding the gates, what is dropped shows in the outputs of all steps."""
    layer = AugmentedLstm(1, 500, recurrent_dropout_probability=0.5, use_highway=False)
    with torch.no_grad():
        layer.cell.input_linearity.weight.zero_()
        layer.cell.input_linearity.bias.fill_(1.0)
        layer.cell.state_linearity.weight.copy_(torch.eye(500).repeat(4, 1))
    packed = pack_padded_sequence(torch.zeros(2, 4, 1), torch.tensor([4, 4]), batch_first=True)
    output = pad_packed_sequence(layer(packed)[0], batch_first=True)[0]
    _, second, third, fourth = output.unbind(1)
    is_dropped = second == second.min()
    assert 0.4 < is_dropped.float().mean() < 0.6
    assert (third[is_dropped].max() < third[~is_dropped].min()) and (
        fourth[is_dropped].max() < fourth[~is_dropped].min()
    )
    assert not torch.equal(is_dropped[0], is_dropped[1])
    layer.eval()
    assert layer(packed)[0].data.unique().numel() == 4


@pytest.mark.parametrize("has_state", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_stack_feeds_both_directions_into_the_next_layer(bidirectional, has_state):
    stack = BiAugmentedLstm(3, 4, num_layers=2, bias=False, bidirectional=bidirectional)
    directions = 2 if bidirectional else 1
    lengths, inputs = [3, 2], torch.randn(2, 3, 3)
    states = (torch.randn(2, 2, directions * 4), torch.randn(2, 2, directions * 4)) if has_state else None
    packed, (h, c) = stack(pack_padded_sequence(inputs, torch.tensor(lengths), batch_first=True), states)
    outputs = pad_packed_sequence(packed, batch_first=True)[0]
    assert h.shape == c.shape == (2 * directions, 2, 4)
    assert stack.representation_dim == outputs.size(2) == directions * 4
    layers = [stack.forward_layers, stack.backward_layers] if bidirectional else [stack.forward_layers]
    for row, length in enumerate(lengths):
        current = inputs[row, :length]
        for level in range(2):
            halves = []
            for direction, stacked in enumerate(layers):
                own = None
                if states is not None:
                    own = tuple(part[level, row].split(4)[direction] for part in states)
                half, last = written_out(stacked[level], current, direction == 0, own)
                torch.testing.assert_close(h[level * directions + direction, row], last[0])
                torch.testing.assert_close(c[level * directions + direction, row], last[1])
                halves.append(half)
            current = torch.cat(halves, dim=1)
        torch.testing.assert_close(outputs[row, :length], current)


def test_names_of_the_weights():
    names = BiAugmentedLstm(3, 4, num_layers=1, bidirectional=True).state_dict()
    assert {name: tuple(weight.shape) for name, weight in names.items()} == {
        f"{direction}_layers.0.cell.{name}": shape
        for direction in ("forward", "backward")
        for name, shape in {
            "input_linearity.weight": (24, 3),
            "input_linearity.bias": (24,),
            "state_linearity.weight": (20, 4),
            "state_linearity.bias": (20,),
        }.items()
    }


def test_wrong_calls():
    with pytest.raises(ConfigurationError, match="expected a PackedSequence, got Tensor"):
        AugmentedLstm(3, 4)(torch.zeros(1, 2, 3))
    stack = BiAugmentedLstm(3, 4, num_layers=2)
    with pytest.raises(ConfigurationError, match="expected a PackedSequence, got Tensor"):
        stack(torch.zeros(1, 2, 3))
    packed = pack_padded_sequence(torch.zeros(1, 2, 3), torch.tensor([2]), batch_first=True)
    with pytest.raises(RuntimeError, match="states of 2 layers, got 3"):
        stack(packed, (torch.zeros(3, 1, 4), torch.zeros(3, 1, 4)))
