"""Dropout that zeroes the same features at every timestep."""

import torch
from torch import Tensor


class InputVariationalDropout(torch.nn.Dropout):
    """Dropout with one mask for all timesteps of a sequence.

    Args:
        p: dropout probability, from 0 to 1.
        inplace: change the input itself; the call then returns None.

    Shape:
        (B, T, D) -> (B, T, D).

    Source: Gal and Ghahramani (2016), https://arxiv.org/abs/1512.05287
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__(p=p, inplace=inplace)

    def forward(self, input_tensor: Tensor) -> Tensor | None:  # type: ignore[override]  # in AllenNLP None, for a change in place
        """Zero some features of each sequence."""
        # (B, 1, D), repeated for all timesteps by the product
        ones = input_tensor.new_ones(input_tensor.size(0), 1, input_tensor.size(-1))
        mask = torch.nn.functional.dropout(ones, self.p, self.training)
        if self.inplace:
            input_tensor *= mask
            return None
        return input_tensor * mask
