"""Large matrix products on the CPU, by the faster of the two libraries that torch brings."""

from __future__ import annotations

import torch
from torch import Tensor

# Below so many multiplications, getting oneDNN going takes longer than the product.
_WORTH_IT = 2**22


def matrix_product(
    left: Tensor, right: Tensor, bias: Tensor | None = None, *, shape_returns: bool = True
) -> Tensor:
    """`left @ right`, plus `bias`, without automatic differentiation.

    For matrices of float32 torch calls MKL, which on processors that are not Intel's does not use all they have; oneDNN,
    by which torch multiplies in half precision, does, and is about twice as fast there.

    Args:
        left: the left matrix.
        right: the right one.
        bias: added to every row.
        shape_returns: whether matrices of these sizes come again and again. oneDNN keeps what it has prepared for each
            of the last thousand shapes, which is a lot of memory for shapes that do not.

    Shape:
        left (N, D), right (D, V), bias (V,) -> (N, V).
    """
    if shape_returns and _suits_onednn(left, right):
        product: Tensor = torch.ops.mkldnn._linear_pointwise(left, right.t(), bias, "none", [], "")
        return product
    return torch.mm(left, right) if bias is None else torch.addmm(bias, left, right)


def add_matrix_product(total: Tensor, left: Tensor, right: Tensor, *, shape_returns: bool = True) -> None:
    """Add `left @ right` to `total` (N, V), in its place and its precision; see `matrix_product`."""
    if total.dtype != left.dtype or (shape_returns and _suits_onednn(left, right)):
        total += matrix_product(left, right, shape_returns=shape_returns)
    else:
        total.addmm_(left, right)


def _suits_onednn(left: Tensor, right: Tensor) -> bool:
    """Whether oneDNN is there and the faster one. Matrices that are cut out of wider ones take it very long."""
    return (
        left.device.type == "cpu"
        and left.dtype == torch.float32
        and left.numel() * right.size(1) >= _WORTH_IT
        and _is_dense(left)
        and _is_dense(right)
        and not torch.compiler.is_compiling()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _is_dense(matrix: Tensor) -> bool:
    return matrix.is_contiguous() or matrix.t().is_contiguous()
