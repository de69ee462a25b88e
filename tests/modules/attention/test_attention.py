"""Every attention: its formula, its mask, and its config."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import Attention
from nlpreg.nn.util import combine_tensors

OPTIONS: dict[str, dict[str, Any]] = {
    "dot_product": {},
    "scaled_dot_product": {},
    "cosine": {},
    "bilinear": {"vector_dim": 4, "matrix_dim": 4, "activation": "tanh"},
    "additive": {"vector_dim": 4, "matrix_dim": 4},
    "linear": {"tensor_1_dim": 4, "tensor_2_dim": 4, "combination": "x,y,x*y", "activation": "relu"},
}
torch.manual_seed(0)
VECTOR, MATRIX = torch.randn(2, 4), torch.randn(2, 3, 4)
MASK = torch.tensor([[True, True, False], [False, False, False]])


def build(name: str, **options: Any) -> Attention:
    attention = Attention.from_params(Params({"type": name, **OPTIONS[name], **options}))
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    return attention


def similarity(attention: Any, name: str, v: Tensor, m: Tensor) -> Tensor:
    """The formula for one vector and one row."""
    match name:
        case "dot_product":
            return v @ m
        case "scaled_dot_product":
            return v @ m / math.sqrt(4)
        case "cosine":
            return v @ m / (v.norm() * m.norm())
        case "bilinear":
            return torch.tanh(v @ attention._weight_matrix @ m + attention._bias).squeeze()
        case "additive":
            hidden = torch.tanh(v @ attention._w_matrix + m @ attention._u_matrix)
            return (hidden @ attention._v_vector).squeeze()
    combined = combine_tensors("x,y,x*y", [v, m])
    return torch.relu(combined @ attention._weight_vector + attention._bias).squeeze()


def test_every_attention_is_tested() -> None:
    assert set(OPTIONS) <= set(Attention.list_available())


@pytest.mark.parametrize("name", OPTIONS)
def test_similarities(name: str) -> None:
    attention = build(name, normalize=False)
    result = attention(VECTOR, MATRIX)
    for b in range(2):
        for r in range(3):
            torch.testing.assert_close(result[b, r], similarity(attention, name, VECTOR[b], MATRIX[b, r]))


@pytest.mark.parametrize("name", OPTIONS)
def test_weights_are_a_softmax_over_unmasked_rows(name: str) -> None:
    attention = build(name)
    weights = attention(VECTOR, MATRIX, MASK)
    attention._normalize = False
    torch.testing.assert_close(weights[0, :2], torch.softmax(attention(VECTOR, MATRIX)[0, :2], 0))
    assert weights[0, 2] == 0
    assert not weights[1].any()


@pytest.mark.parametrize("name", OPTIONS)
def test_gradients_reach_everything(name: str) -> None:
    attention = build(name).double()
    vector, matrix = VECTOR.double().requires_grad_(), MATRIX.double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v, m, *_: attention(v, m), (vector, matrix, *attention.parameters())
    )


def test_scaling_factor() -> None:
    scaled = build("scaled_dot_product", scaling_factor=9, normalize=False)
    torch.testing.assert_close(
        scaled(VECTOR, MATRIX), build("dot_product", normalize=False)(VECTOR, MATRIX) / 3
    )


def test_names_of_weights() -> None:
    shapes = {
        name: {key: tuple(value.shape) for key, value in build(name).state_dict().items()} for name in OPTIONS
    }
    assert shapes["bilinear"] == {"_weight_matrix": (4, 4), "_bias": (1,)}
    assert shapes["additive"] == {"_w_matrix": (4, 4), "_u_matrix": (4, 4), "_v_vector": (4, 1)}
    assert shapes["linear"] == {"_weight_vector": (12,), "_bias": (1,)}


def test_initial_weights_of_the_linear_attention() -> None:
    attention: Any = Attention.from_params(
        Params({"type": "linear", "tensor_1_dim": 100, "tensor_2_dim": 100})
    )
    bound = math.sqrt(6 / 201)
    assert bound * 0.9 < attention._weight_vector.abs().max() <= bound
    assert not attention._bias.any()


def test_combination_that_does_not_fit() -> None:
    with pytest.raises(ConfigurationError, match="sizes 2 and 3"):
        Attention.from_params(
            Params({"type": "linear", "tensor_1_dim": 2, "tensor_2_dim": 3, "combination": "x*y"})
        )
