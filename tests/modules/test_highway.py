import pytest
import torch

from nlpreg.modules import Highway


def test_reference_value() -> None:
    highway = Highway(1)
    highway.load_state_dict(
        {"_layers.0.weight": torch.tensor([[2.0], [0.5]]), "_layers.0.bias": torch.tensor([0.1, 1.0])}
    )
    assert highway(torch.tensor([[1.5]])).item() == pytest.approx(1.736876, abs=1e-5)


def test_two_layers_by_the_formula() -> None:
    highway = Highway(4, num_layers=2, activation=torch.tanh)
    x = torch.randn(2, 3, 4)
    expected = x
    for layer in highway._layers:
        nonlinear, gate = layer(expected).chunk(2, -1)
        share = torch.sigmoid(gate)
        expected = share * expected + (1 - share) * torch.tanh(nonlinear)
    torch.testing.assert_close(highway(x), expected)


def test_gates_are_open_at_first() -> None:
    assert all((layer.bias[3:] == 1).all() for layer in Highway(3, 2)._layers)


def test_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.isfinite(Highway(4, 2)(torch.randn(3, 4))).all()
