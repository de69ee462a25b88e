"""Attention by dot product."""

from torch import Tensor

from nlpreg.modules.attention.attention import Attention


@Attention.register("dot_product")
class DotProductAttention(Attention):
    """The dot product of the vector with each row.

    Shape:
        vector (B, D), matrix (B, R, D), matrix_mask (B, R) -> (B, R).
    """

    def _forward_internal(self, vector: Tensor, matrix: Tensor) -> Tensor:
        # (B, R)
        return matrix.bmm(vector.unsqueeze(-1)).squeeze(-1)
