"""Similarity by cosine."""

from torch import Tensor

from nlpreg.modules.matrix_attention.matrix_attention import MatrixAttention
from nlpreg.nn.util.masks import unit_vectors


@MatrixAttention.register("cosine")
class CosineMatrixAttention(MatrixAttention):
    """The cosine of the angle between each pair of rows.

    Shape:
        matrix_1 (B, R1, D), matrix_2 (B, R2, D) -> (B, R1, R2).
    """

    def forward(self, matrix_1: Tensor, matrix_2: Tensor) -> Tensor:
        """Compare all pairs of rows."""
        # (B, R1, R2)
        return unit_vectors(matrix_1).bmm(unit_vectors(matrix_2).transpose(2, 1))
