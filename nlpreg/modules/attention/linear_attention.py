"""Attention by a learned weighting of combined features."""

from __future__ import annotations

from torch import Tensor

from nlpreg.modules.attention.attention import Attention
from nlpreg.modules.linear_similarity import LinearSimilarity
from nlpreg.nn import Activation


@Attention.register("linear")
class LinearAttention(LinearSimilarity, Attention):
    """`activation(w @ combination(vector, row) + b)` for each row.

    Args:
        tensor_1_dim: width of the vector, x in the combination.
        tensor_2_dim: width of the rows, y in the combination.
        combination: which features, such as "x,y,x*y", see `combine_tensors`.
        activation: applied to each similarity; none by default.
        normalize: turn the similarities into weights that sum to one.

    Shape:
        vector (B, tensor_1_dim), matrix (B, R, tensor_2_dim), matrix_mask (B, R) -> (B, R).

    Raises:
        ConfigurationError: the combination cannot be read, or the widths do not fit it.
    """

    def __init__(
        self,
        tensor_1_dim: int,
        tensor_2_dim: int,
        combination: str = "x,y",
        activation: Activation | None = None,
        normalize: bool = True,
    ) -> None:
        super().__init__(tensor_1_dim, tensor_2_dim, combination, activation, normalize=normalize)

    def _forward_internal(self, vector: Tensor, matrix: Tensor) -> Tensor:
        return self._similarities(vector.unsqueeze(1), matrix)
