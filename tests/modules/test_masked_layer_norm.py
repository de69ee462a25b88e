import torch

from nlpreg.modules.masked_layer_norm import MaskedLayerNorm


def test_reference_values() -> None:
    tensor = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [9.0, 9.0]]])
    result = MaskedLayerNorm(2)(tensor, torch.tensor([[True, True, False]]))
    expected = torch.tensor([[[-0.106904, -0.053452], [0.0, 0.160357], [0.320713, 0.320713]]])
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_nothing_but_padding_stays_finite() -> None:
    result = MaskedLayerNorm(2)(torch.randn(2, 3, 2), torch.zeros(2, 3, dtype=torch.bool))
    assert torch.isfinite(result).all()


def test_names_of_weights() -> None:
    norm = MaskedLayerNorm(3, gamma0=0.5)
    assert norm.gamma.tolist() == [[[0.5, 0.5, 0.5]]]
    assert {name: tuple(v.shape) for name, v in norm.state_dict().items()} == {
        "gamma": (1, 1, 3),
        "beta": (1, 1, 3),
    }
