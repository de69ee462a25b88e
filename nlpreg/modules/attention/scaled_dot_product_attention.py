"""Attention by dot product, divided by a scale."""

import math

from torch import Tensor

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.attention.attention import Attention


@Attention.register("scaled_dot_product")
class ScaledDotProductAttention(Attention):
    """The dot product of the vector with each row, divided by the square root of a scale.

    Args:
        scaling_factor: the scale; the width of the vectors if None.
        normalize: turn the similarities into weights that sum to one.

    Shape:
        vector (B, D), matrix (B, R, D), matrix_mask (B, R) -> (B, R).

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762
    """

    def __init__(self, scaling_factor: PositiveInt | None = None, normalize: bool = True) -> None:
        super().__init__(normalize)
        self.scaling_factor = scaling_factor

    def _forward_internal(self, vector: Tensor, matrix: Tensor) -> Tensor:
        scale = math.sqrt(self.scaling_factor or matrix.size(-1))
        # (B, R)
        return matrix.bmm(vector.unsqueeze(-1)).squeeze(-1) / scale
