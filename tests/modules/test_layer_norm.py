import torch

from nlpreg.modules import LayerNorm


def test_reference_values() -> None:
    result = LayerNorm(4)(torch.tensor([[1.0, 2.0, 3.0, 6.0]]))
    expected = torch.tensor([[-1.069045, -0.534522, 0.0, 1.603567]])
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_equals_torch_on_ordinary_vectors() -> None:
    ours, theirs = LayerNorm(6), torch.nn.LayerNorm(6, eps=0.0)
    torch.nn.init.normal_(ours.gamma)
    torch.nn.init.normal_(ours.beta)
    theirs.load_state_dict({"weight": ours.gamma, "bias": ours.beta})
    x = torch.randn(3, 4, 6)
    torch.testing.assert_close(ours(x), theirs(x))


def test_constant_vectors_stay_finite() -> None:
    assert not LayerNorm(3)(torch.full((2, 3), 5.0)).any()
