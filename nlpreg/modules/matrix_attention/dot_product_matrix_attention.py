"""Similarity by dot product."""

from torch import Tensor

from nlpreg.modules.matrix_attention.matrix_attention import MatrixAttention


@MatrixAttention.register("dot_product")
class DotProductMatrixAttention(MatrixAttention):
    """The dot product of each pair of rows.

    Shape:
        matrix_1 (B, R1, D), matrix_2 (B, R2, D) -> (B, R1, R2).
    """

    def forward(self, matrix_1: Tensor, matrix_2: Tensor) -> Tensor:
        """Compare all pairs of rows."""
        # (B, R1, R2)
        return matrix_1.bmm(matrix_2.transpose(2, 1))
