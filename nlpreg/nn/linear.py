"""Linear layers over matrices whose numbers of rows come again and again, by the faster library on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.nn.util.matrix_products import matrix_product

__all__ = ["Linear", "linear", "regular_number"]


def regular_number(number: int) -> int:
    """The next multiple of 64: so many rows, and there are few different shapes of matrices.

    Args:
        number: of rows that are needed.
    """
    return -(-number // 64) * 64


class Linear(nn.Linear):
    """`torch.nn.Linear` over the rows of a matrix; see `linear`.

    Shape:
        (N, D) -> (N, V).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer."""
        return linear(input, self.weight, self.bias)


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`torch.nn.functional.linear`, faster for float32 on processors that are not Intel's.

    Args:
        inputs: whose number of rows should be a `regular_number`, see `matrix_product`.
        weight: of the layer.
        bias: of the layer.

    Shape:
        inputs (N, D), weight (V, D), bias (V,) -> (N, V).
    """
    is_plain = (
        inputs.device.type == "cpu"
        and inputs.dim() == 2
        and inputs.dtype == weight.dtype == torch.float32
        and inputs.size(0) % 64 == 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )
    if not is_plain:
        return functional.linear(inputs, weight, bias)
    output: Tensor = _Linear.apply(inputs, weight, bias)  # type: ignore[no-untyped-call]
    return output


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return matrix_product(inputs, weight.t(), bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        need_inputs, need_weight, need_bias = ctx.needs_input_grad
        # Where the gradient is to be differentiated in its turn, torch's own product is, and oneDNN's is not.
        product = torch.mm if torch.is_grad_enabled() else matrix_product
        return (
            product(grad_output, weight) if need_inputs else None,
            product(grad_output.t(), inputs) if need_weight else None,
            grad_output.sum(dim=0) if need_bias else None,
        )
