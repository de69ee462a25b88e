"""Attention by a layer with a tanh."""

import torch
from torch import Tensor

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.attention.attention import Attention


@Attention.register("additive")
class AdditiveAttention(Attention):
    """`tanh(vector @ W + row @ U) @ v` for each row.

    Args:
        vector_dim: width of the vector, and of the hidden layer.
        matrix_dim: width of the rows.
        normalize: turn the similarities into weights that sum to one.

    Shape:
        vector (B, vector_dim), matrix (B, R, matrix_dim), matrix_mask (B, R) -> (B, R).

    Source: Bahdanau, Cho and Bengio (2015), https://arxiv.org/abs/1409.0473
    """

    def __init__(self, vector_dim: PositiveInt, matrix_dim: PositiveInt, normalize: bool = True) -> None:
        super().__init__(normalize)
        self._w_matrix = torch.nn.Parameter(torch.empty(vector_dim, vector_dim))
        self._u_matrix = torch.nn.Parameter(torch.empty(matrix_dim, vector_dim))
        self._v_vector = torch.nn.Parameter(torch.empty(vector_dim, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the weights."""
        torch.nn.init.xavier_uniform_(self._w_matrix)
        torch.nn.init.xavier_uniform_(self._u_matrix)
        torch.nn.init.xavier_uniform_(self._v_vector)

    def _forward_internal(self, vector: Tensor, matrix: Tensor) -> Tensor:
        # (B, R, vector_dim)
        hidden = torch.tanh((vector @ self._w_matrix).unsqueeze(1) + matrix @ self._u_matrix)
        # (B, R)
        return (hidden @ self._v_vector).squeeze(-1)
