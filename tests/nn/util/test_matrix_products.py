import pytest
import torch
from torch import Tensor

from nlpreg.nn.util import matrix_products
from nlpreg.nn.util.matrix_products import add_matrix_product, matrix_product


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
    assert not matrix_products._suits_onednn(left, right)
    assert torch.equal(matrix_product(left, right), torch.full((300, 400), 128.0))
