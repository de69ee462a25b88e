"""Similarity by dot product, divided by a scale."""

import math

from torch import Tensor

from nlpreg.modules.matrix_attention.matrix_attention import MatrixAttention


@MatrixAttention.register("scaled_dot_product")
class ScaledDotProductMatrixAttention(MatrixAttention):
    """The dot product of each pair of rows, divided by the square root of their width.

    Shape:
        matrix_1 (B, R1, D), matrix_2 (B, R2, D) -> (B, R1, R2).

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762
    """

    def forward(self, matrix_1: Tensor, matrix_2: Tensor) -> Tensor:
        """Compare all pairs of rows."""
        # (B, R1, R2)
        return matrix_1.bmm(matrix_2.transpose(2, 1)) / math.sqrt(matrix_1.size(-1))
