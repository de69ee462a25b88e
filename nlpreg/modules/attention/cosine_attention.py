"""Attention by cosine."""

from __future__ import annotations

from torch import Tensor

from nlpreg.modules.attention.attention import Attention
from nlpreg.nn.util.numerics import tiny_value_of_dtype


@Attention.register("cosine")
class CosineAttention(Attention):
    """The cosine of the angle between the vector and each row.

    Args:
        normalize: turn the similarities into weights that sum to one.

    Shape:
        vector (B, D), matrix (B, R, D), matrix_mask (B, R) -> (B, R).
    """

    def __init__(self, normalize: bool = True) -> None:
        super().__init__(normalize)

    def _forward_internal(self, vector: Tensor, matrix: Tensor) -> Tensor:
        tiny = tiny_value_of_dtype(vector.dtype)
        unit_vector = vector / (vector.norm(dim=-1, keepdim=True) + tiny)
        unit_rows = matrix / (matrix.norm(dim=-1, keepdim=True) + tiny)
        return unit_rows.bmm(unit_vector.unsqueeze(-1)).squeeze(-1)
