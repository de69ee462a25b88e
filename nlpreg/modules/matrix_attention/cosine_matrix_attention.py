"""Similarity by cosine."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.modules.matrix_attention.matrix_attention import MatrixAttention
from nlpreg.nn.util.numerics import tiny_value_of_dtype


@MatrixAttention.register("cosine")
class CosineMatrixAttention(MatrixAttention):
    """The cosine of the angle between each pair of rows.

    Shape:
        matrix_1 (B, R1, D), matrix_2 (B, R2, D) -> (B, R1, R2).
    """

    def forward(self, matrix_1: Tensor, matrix_2: Tensor) -> Tensor:
        """Compare all pairs of rows."""
        return _unit_rows(matrix_1).bmm(_unit_rows(matrix_2).transpose(2, 1))


def _unit_rows(matrix: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(matrix, dim=-1, keepdim=True)
    return matrix / (norms + tiny_value_of_dtype(matrix.dtype))
