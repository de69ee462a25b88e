"""Every matrix attention: its formula and its config."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from nlpreg.common import Params
from nlpreg.modules import MatrixAttention
from nlpreg.nn.util import combine_tensors

OPTIONS: dict[str, dict[str, Any]] = {
    "dot_product": {},
    "scaled_dot_product": {},
    "cosine": {},
    "bilinear": {"matrix_1_dim": 4, "matrix_2_dim": 4},
    "linear": {"tensor_1_dim": 4, "tensor_2_dim": 4, "combination": "x,y,x*y", "activation": "tanh"},
}
torch.manual_seed(0)
FIRST, SECOND = torch.randn(2, 3, 4), torch.randn(2, 5, 4)


def build(name: str, **options: Any) -> Any:
    attention = MatrixAttention.from_params(Params({"type": name, **OPTIONS[name], **options}))
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    return attention


def similarity(attention: Any, name: str, a: Tensor, b: Tensor) -> Tensor:
    """The formula for one pair of rows."""
    match name:
        case "dot_product":
            return a @ b
        case "scaled_dot_product":
            return a @ b / math.sqrt(4)
        case "cosine":
            return a @ b / (a.norm() * b.norm())
        case "bilinear":
            return (a @ attention._weight_matrix @ b + attention._bias).squeeze()
    combined = combine_tensors("x,y,x*y", [a, b])
    return torch.tanh(combined @ attention._weight_vector + attention._bias).squeeze()


@pytest.mark.parametrize("name", OPTIONS)
def test_similarities(name: str) -> None:
    attention = build(name)
    result = attention(FIRST, SECOND)
    assert result.shape == (2, 3, 5)
    for b in range(2):
        for i in range(3):
            for j in range(5):
                expected = similarity(attention, name, FIRST[b, i], SECOND[b, j])
                torch.testing.assert_close(result[b, i, j], expected)


def test_every_matrix_attention_is_tested() -> None:
    assert set(OPTIONS) <= set(MatrixAttention.list_available())


def test_bilinear_with_biases_of_the_inputs() -> None:
    attention = build("bilinear", use_input_biases=True)
    assert attention._weight_matrix.shape == (5, 5)
    a, b = torch.cat([FIRST[0, 1], torch.ones(1)]), torch.cat([SECOND[0, 2], torch.ones(1)])
    expected = (a @ attention._weight_matrix @ b + attention._bias).squeeze()
    torch.testing.assert_close(attention(FIRST, SECOND)[0, 1, 2], expected)


def test_bilinear_with_several_labels() -> None:
    attention = build("bilinear", label_dim=3, activation="relu")
    result = attention(FIRST, SECOND)
    assert result.shape == (2, 3, 3, 5)
    for label in range(3):
        products = FIRST[1] @ attention._weight_matrix[label] @ SECOND[1].t() + attention._bias
        torch.testing.assert_close(result[1, label], products.relu())


def test_zero_vectors_have_cosine_zero() -> None:
    result = build("cosine")(torch.zeros(1, 2, 4), SECOND[:1])
    assert not result.any()
