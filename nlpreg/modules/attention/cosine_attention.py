"""Attention by cosine."""

from torch import Tensor

from nlpreg.modules.attention.attention import Attention
from nlpreg.nn.util.masks import unit_vectors


@Attention.register("cosine")
class CosineAttention(Attention):
    """The cosine of the angle between the vector and each row.

    Shape:
        vector (B, D), matrix (B, R, D), matrix_mask (B, R) -> (B, R).
    """

    def _forward_internal(self, vector: Tensor, matrix: Tensor) -> Tensor:
        # (B, R, D) @ (B, D, 1) -> (B, R)
        return unit_vectors(matrix).bmm(unit_vectors(vector).unsqueeze(-1)).squeeze(-1)
