"""Similarity by a learned weighting of combined features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nlpreg.modules.matrix_attention.matrix_attention import MatrixAttention
from nlpreg.nn import Activation
from nlpreg.nn.util.combination import combine_tensors_and_multiply, get_combined_dim


@MatrixAttention.register("linear")
class LinearMatrixAttention(MatrixAttention):
    """`activation(w @ combination(row_1, row_2) + b)` for each pair of rows.

    Args:
        tensor_1_dim: width of the first matrix, x in the combination.
        tensor_2_dim: width of the second matrix, y in the combination.
        combination: which features, such as "x,y,x*y", see `combine_tensors`.
        activation: applied to each similarity; none by default.

    Shape:
        matrix_1 (B, R1, tensor_1_dim), matrix_2 (B, R2, tensor_2_dim) -> (B, R1, R2).

    Raises:
        ConfigurationError: the combination cannot be read, or the widths do not fit it.
    """

    def __init__(
        self,
        tensor_1_dim: int,
        tensor_2_dim: int,
        combination: str = "x,y",
        activation: Activation | None = None,
    ) -> None:
        super().__init__()
        self._combination = combination
        combined_dim = get_combined_dim(combination, [tensor_1_dim, tensor_2_dim])
        self._weight_vector = torch.nn.Parameter(torch.empty(combined_dim))
        self._bias = torch.nn.Parameter(torch.zeros(1))
        self._activation = activation or Activation.by_name("linear")()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = math.sqrt(6 / (self._weight_vector.size(0) + 1))
        torch.nn.init.uniform_(self._weight_vector, -bound, bound)
        torch.nn.init.zeros_(self._bias)

    def forward(self, matrix_1: Tensor, matrix_2: Tensor) -> Tensor:
        """Compare all pairs of rows."""
        combined = combine_tensors_and_multiply(
            self._combination, [matrix_1.unsqueeze(2), matrix_2.unsqueeze(1)], self._weight_vector
        )
        similarities: Tensor = self._activation(combined + self._bias)
        return similarities
