"""Matrix products and dropout that are faster on the CPU than torch's own."""

import torch
from torch import Tensor
from torch.nn import functional

# Below so many multiplications, starting oneDNN takes longer than the product.
_WORTH_IT = 2**26


def matrix_product(
    left: Tensor, right: Tensor, bias: Tensor | None = None, *, shape_returns: bool = True
) -> Tensor:
    """`left @ right`, plus `bias`, without automatic differentiation.

    For float32 torch calls MKL, which does not use all vector instructions of processors other than Intel's; oneDNN,
    which torch uses in half precision, does, and is about twice as fast there.

    Args:
        left: the left matrix.
        right: the right one.
        bias: added to every row.
        shape_returns: whether matrices of these sizes recur. oneDNN caches its kernels for the last thousand shapes,
            which takes much memory if shapes do not recur.

    Shape:
        left (N, D), right (D, V), bias (V,) -> (N, V).
    """
    if shape_returns and suits_onednn(left, right):
        product: Tensor = torch.ops.mkldnn._linear_pointwise(left, right.t(), bias, "none", [], "")
        return product
    return torch.mm(left, right) if bias is None else torch.addmm(bias, left, right)


def add_matrix_product(total: Tensor, left: Tensor, right: Tensor, *, shape_returns: bool = True) -> None:
    """Add `left @ right` to `total` (N, V), in its place and its precision; see `matrix_product`."""
    if total.dtype != left.dtype or (shape_returns and suits_onednn(left, right)):
        total += matrix_product(left, right, shape_returns=shape_returns)
    else:
        total.addmm_(left, right)


def suits_onednn(left: Tensor, right: Tensor) -> bool:
    """Whether oneDNN is available and faster for `left @ right`. It is very slow with non-contiguous matrices."""
    return (
        left.device.type == "cpu"
        and left.dtype == torch.float32
        and left.numel() * right.size(1) >= _WORTH_IT
        and _is_dense(left)
        and _is_dense(right)
        and not torch.compiler.is_compiling()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _is_dense(matrix: Tensor) -> bool:
    return matrix.is_contiguous() or matrix.t().is_contiguous()


_LEVELS = 2**16
"""A probability is rounded to a multiple of 1 / 65536, so that one draw of 64 bits serves four values."""

_FEW = 4096
"""Below this number of values, torch's own way costs no more."""


class Dropout(torch.nn.Dropout):
    """Sets random values to zero while training, and scales the others up so that the expected value stays.

    Args:
        p: dropout probability, from 0 to 1.
        inplace: whether to change the input itself.

    Shape:
        any shape -> the same shape.

    Source: Srivastava et al. (2014), https://jmlr.org/papers/v15/srivastava14a.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop values of a batch."""
        if self.inplace:
            return super().forward(input)
        return dropout(input, self.p, self.training)


def dropout(values: Tensor, p: float, training: bool = True) -> Tensor:
    """Set random values to zero, and scale the others up so that the expected value stays.

    Args:
        values: of any shape.
        p: dropout probability, from 0 to 1.
        training: whether to do anything at all.
    """
    # before the number of values is looked at, which would tie a graph to sizes
    if not training or torch.compiler.is_compiling():
        return functional.dropout(values, p, training)
    num_dropped = round(p * _LEVELS)
    is_ordinary = 0 < num_dropped < _LEVELS and values.numel() >= _FEW and values.device.type == "cpu"
    if not is_ordinary:
        return functional.dropout(values, p, training)
    count = values.numel()
    draws = torch.empty((count + 3) // 4, dtype=torch.int64, device=values.device).random_(-(2**63), None)
    is_kept = draws.view(torch.int16)[:count] >= num_dropped - _LEVELS // 2
    scale = is_kept.to(values.dtype).mul_(_LEVELS / (_LEVELS - num_dropped))
    return values * scale.view(values.shape)
