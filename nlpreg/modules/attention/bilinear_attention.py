"""Attention by a learned bilinear form."""

import torch
from torch import Tensor

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.attention.attention import Attention
from nlpreg.nn import Activation


@Attention.register("bilinear")
class BilinearAttention(Attention):
    """`activation(vector @ W @ row + b)` for each row.

    Args:
        vector_dim: width of the vector.
        matrix_dim: width of the rows.
        activation: applied to each similarity; none by default.
        normalize: turn the similarities into weights that sum to one.

    Shape:
        vector (B, vector_dim), matrix (B, R, matrix_dim), matrix_mask (B, R) -> (B, R).
    """

    def __init__(
        self,
        vector_dim: PositiveInt,
        matrix_dim: PositiveInt,
        activation: Activation | None = None,
        normalize: bool = True,
    ) -> None:
        super().__init__(normalize)
        self._weight_matrix = torch.nn.Parameter(torch.empty(vector_dim, matrix_dim))
        self._bias = torch.nn.Parameter(torch.zeros(1))
        self._activation = activation or Activation.by_name("linear")()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the weights."""
        torch.nn.init.xavier_uniform_(self._weight_matrix)
        torch.nn.init.zeros_(self._bias)

    def _forward_internal(self, vector: Tensor, matrix: Tensor) -> Tensor:
        intermediate = (vector @ self._weight_matrix).unsqueeze(-1)  # (B, matrix_dim, 1)
        similarities: Tensor = self._activation(matrix.bmm(intermediate).squeeze(-1) + self._bias)
        return similarities
