"""`Attention`, the base class of attention of one vector over the rows of a matrix."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.nn.util.masks import masked_softmax


class Attention(torch.nn.Module, Registrable):
    """How much a vector attends to each row of a matrix.

    Args:
        normalize: turn the similarities into weights that sum to one.

    Shape:
        vector (B, D1), matrix (B, R, D2), matrix_mask (B, R) -> (B, R).
    """

    def __init__(self, normalize: bool = True) -> None:
        super().__init__()
        self._normalize = normalize

    def forward(self, vector: Tensor, matrix: Tensor, matrix_mask: Tensor | None = None) -> Tensor:
        """Compare the vector with every row.

        Args:
            vector: the query.
            matrix: the rows to attend to.
            matrix_mask: true at rows that may be attended to.
        """
        similarities = self._forward_internal(vector, matrix)
        return masked_softmax(similarities, matrix_mask) if self._normalize else similarities

    def _forward_internal(self, vector: Tensor, matrix: Tensor) -> Tensor:
        """The unnormalised similarities (B, R); subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _forward_internal")

    if TYPE_CHECKING:
        __call__ = forward
