"""The LSTM with projection and clipping, against its equations."""

import pytest
import torch

from nlpreg.modules.lstm_cell_with_projection import LstmCellWithProjection


def written_out(layer, inputs, state=None):
    """One row (T, D), in the order in which the layer runs."""
    h, c = state or (torch.zeros(layer.hidden_size), torch.zeros(layer.cell_size))
    outputs = []
    for x in inputs:
        gates = (
            layer.input_linearity.weight @ x + layer.state_linearity.weight @ h + layer.state_linearity.bias
        )
        i, f, g, o = gates.split(layer.cell_size)
        c = (torch.sigmoid(i) * torch.tanh(g) + torch.sigmoid(f) * c).clamp(-0.3, 0.3)
        h = (layer.state_projection.weight @ (torch.sigmoid(o) * torch.tanh(c))).clamp(-0.1, 0.1)
        outputs.append(h)
    return torch.stack(outputs), h, c


def test_known_numbers():
    layer = LstmCellWithProjection(1, 1, 1, memory_cell_clip_value=0.3, state_projection_clip_value=0.05)
    with torch.no_grad():
        layer.input_linearity.weight.copy_(torch.tensor([[1.0], [2.0], [3.0], [4.0]]))
        layer.state_linearity.weight.fill_(0.1)
        layer.state_linearity.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
        layer.state_projection.weight.fill_(0.5)
    outputs, (_, c) = layer(torch.tensor([[[1.0], [-1.0]]]), [2])
    torch.testing.assert_close(outputs.flatten(), torch.tensor([0.05, -0.001676]), atol=1e-5, rtol=0)
    torch.testing.assert_close(c.flatten(), torch.tensor([-0.187600]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("has_state", [False, True])
@pytest.mark.parametrize("go_forward", [False, True])
def test_equations(go_forward, has_state):
    layer = LstmCellWithProjection(
        3, 2, 5, go_forward, memory_cell_clip_value=0.3, state_projection_clip_value=0.1
    )
    lengths, inputs = [4, 2, 1], 3 * torch.randn(3, 6, 3)
    states = (torch.randn(1, 3, 2), torch.randn(1, 3, 5)) if has_state else None
    outputs, (h, c) = layer(inputs, lengths, states)
    assert outputs.shape == (3, 6, 2)
    for row, length in enumerate(lengths):
        own = None if states is None else (states[0][0, row], states[1][0, row])
        words = inputs[row, :length]
        expected, last_h, last_c = written_out(layer, words if go_forward else words.flip(0), own)
        torch.testing.assert_close(outputs[row, :length], expected if go_forward else expected.flip(0))
        torch.testing.assert_close((h[0, row], c[0, row]), (last_h, last_c))
        assert not outputs[row, length:].any()


def test_no_limits_unless_given():
    layer = LstmCellWithProjection(1, 1, 1)
    with torch.no_grad():
        for linear in (layer.input_linearity, layer.state_linearity):
            linear.weight.fill_(1.0)
        layer.state_projection.weight.fill_(50.0)
    outputs, (_, c) = layer(torch.full((1, 20, 1), 10.0), [20])
    assert outputs.max() > 40 and c.max() > 15


def test_dropout_is_the_same_at_every_step():
    layer = LstmCellWithProjection(1, 400, 5, recurrent_dropout_probability=0.5)
    outputs, _ = layer(torch.randn(2, 3, 1), [3, 3])
    is_dropped = outputs == 0
    assert (is_dropped == is_dropped[:, :1]).all()
    assert 0.35 < is_dropped.float().mean() < 0.65
    assert (layer.eval()(torch.randn(2, 3, 1), [3, 3])[0] != 0).all()


def test_gradients():
    layer = LstmCellWithProjection(2, 2, 3, go_forward=False, memory_cell_clip_value=3.0).double()
    inputs = torch.randn(2, 3, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: layer(x, [3, 1])[0], [inputs, *layer.parameters()])
