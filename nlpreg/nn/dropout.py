"""Dropout that draws its random numbers faster than torch does on the CPU."""

import torch
from torch import Tensor
from torch.nn import functional

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
    num_dropped = round(p * _LEVELS)
    is_ordinary = 0 < num_dropped < _LEVELS and values.numel() >= _FEW and values.device.type == "cpu"
    if not (training and is_ordinary) or torch.compiler.is_compiling():
        return functional.dropout(values, p, training)
    count = values.numel()
    draws = torch.empty((count + 3) // 4, dtype=torch.int64, device=values.device).random_(-(2**63), None)
    is_kept = draws.view(torch.int16)[:count] >= num_dropped - _LEVELS // 2
    scale = is_kept.to(values.dtype).mul_(_LEVELS / (_LEVELS - num_dropped))
    return values * scale.view(values.shape)
