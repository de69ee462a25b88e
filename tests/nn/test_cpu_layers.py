import pytest
import torch
from torch import Tensor

from nlpreg.nn import cpu_layers as matrix_products
from nlpreg.nn.cpu_layers import (
    Dropout,
    add_matrix_product,
    dropout,
    matrix_product,
)


def matrix(rows: int, columns: int, kind: str) -> Tensor:
    if kind == "transposed":
        return torch.randn(columns, rows).t()
    if kind == "cut out":
        return torch.randn(rows, columns + 3)[:, 2:-1]
    return torch.randn(rows, columns)


@pytest.mark.parametrize("left", ["plain", "transposed", "cut out"])
@pytest.mark.parametrize("right", ["plain", "transposed", "cut out"])
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("shape", [(5, 4, 3), (64, 128, 600), (0, 4, 3)])
def test_equals_torch(left: str, right: str, has_bias: bool, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    first, second = matrix(shape[0], shape[1], left), matrix(shape[1], shape[2], right)
    bias = torch.randn(shape[2]) if has_bias else None
    expected = first.double() @ second.double() + (0.0 if bias is None else bias.double())
    product = matrix_product(first, second, bias)
    torch.testing.assert_close(product.double(), expected, atol=1e-4, rtol=1e-5)
    total = torch.ones(shape[0], shape[2])
    add_matrix_product(total, first, second)
    torch.testing.assert_close(total, 1 + first @ second, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(dtype: torch.dtype) -> None:
    left, right = torch.ones(300, 128, dtype=dtype), torch.ones(128, 400, dtype=dtype)
    assert torch.equal(matrix_product(left, right), torch.full((300, 400), 128.0, dtype=dtype))
    total = torch.ones(300, 400)
    add_matrix_product(total, left.float(), right.float())
    assert torch.equal(total, torch.full((300, 400), 129.0))


def test_works_without_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    left, right = torch.ones(300, 128), torch.ones(128, 400)
    assert not matrix_products.suits_onednn(left, right)
    assert torch.equal(matrix_product(left, right), torch.full((300, 400), 128.0))


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_share_and_scale(p, dtype):
    values = torch.ones(1000, 301, dtype=dtype)
    dropped = dropout(values, p)
    assert dropped.dtype == dtype and dropped.shape == values.shape
    share = (dropped == 0).double().mean().item()
    assert abs(share - p) < 5 * (p * (1 - p) / values.numel()) ** 0.5 + 1e-5
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=1e-3, atol=0)
    assert abs(dropped.mean().item() - 1) < 5 * (p / (1 - p) / values.numel()) ** 0.5 + 1e-6


def test_values_fall_one_by_one():
    """Neighbours, which share a draw, fall independently of each other."""
    is_kept = dropout(torch.ones(400_000), 0.5) != 0
    groups = is_kept.view(-1, 4).double()
    covariance = torch.cov(groups.T)
    torch.testing.assert_close(covariance, 0.25 * torch.eye(4, dtype=torch.double), atol=5e-3, rtol=0)


def test_gradients_fall_with_the_values():
    values = torch.randn(100, 100, requires_grad=True)
    dropped = dropout(values, 0.3)
    dropped.sum().backward()
    torch.testing.assert_close(dropped.detach(), values.detach() * values.grad)


@pytest.mark.parametrize("p", [0.0, 1.0, 1e-9])
@pytest.mark.parametrize("size", [10, 10_000])
def test_edges(p, size):
    values = torch.randn(size)
    expected = torch.zeros(size) if p == 1 else values
    assert torch.equal(dropout(values, p), expected)


def test_few_values_and_evaluation():
    values = torch.ones(100)
    assert 10 < (dropout(values, 0.5) == 0).sum() < 90
    layer = Dropout(0.5)
    assert isinstance(layer, torch.nn.Dropout)
    assert (layer(torch.ones(5000)) == 0).any()
    assert torch.equal(layer.eval()(torch.ones(5000)), torch.ones(5000))
    changed = torch.ones(5000)
    assert Dropout(0.5, inplace=True)(changed) is changed and (changed == 0).any()


def test_the_seed_decides():
    values = torch.ones(5000)
    torch.manual_seed(3)
    first = dropout(values, 0.5)
    torch.manual_seed(3)
    assert torch.equal(dropout(values, 0.5), first)
    assert not torch.equal(dropout(values, 0.5), first)


def test_wrong_chances():
    with pytest.raises(ValueError, match="between 0 and 1, but got 1.5"):
        dropout(torch.ones(5000), 1.5)
