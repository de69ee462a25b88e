"""The base of similarities between the rows of two matrices."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nlpreg.common import Registrable


class MatrixAttention(torch.nn.Module, Registrable):
    """The similarity of every row of one matrix with every row of another, not normalised.

    Shape:
        matrix_1 (B, R1, D1), matrix_2 (B, R2, D2) -> (B, R1, R2).
    """

    def forward(self, matrix_1: Tensor, matrix_2: Tensor) -> Tensor:
        """Compare all pairs of rows."""
        raise NotImplementedError(f"{type(self).__name__} does not implement forward")

    if TYPE_CHECKING:
        __call__ = forward
