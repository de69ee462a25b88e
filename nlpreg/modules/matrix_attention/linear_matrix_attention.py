"""Similarity by a learned weighting of combined features."""

from torch import Tensor

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.attention.linear_attention import LinearSimilarity
from nlpreg.modules.matrix_attention.matrix_attention import MatrixAttention
from nlpreg.nn import Activation


@MatrixAttention.register("linear")
class LinearMatrixAttention(LinearSimilarity, MatrixAttention):
    """`activation(w @ combination(row_1, row_2) + b)` for each pair of rows.

    Args:
        tensor_1_dim: width of the first matrix, x in the combination.
        tensor_2_dim: width of the second matrix, y in the combination.
        combination: which features, such as "x,y,x*y", see `combine_tensors`.
        activation: applied to each similarity; none by default.

    Shape:
        matrix_1 (B, R1, tensor_1_dim), matrix_2 (B, R2, tensor_2_dim) -> (B, R1, R2).

    Raises:
        ConfigurationError: the combination cannot be read, or the widths do not fit it.
    """

    def __init__(
        self,
        tensor_1_dim: PositiveInt,
        tensor_2_dim: PositiveInt,
        combination: str = "x,y",
        activation: Activation | None = None,
    ) -> None:
        super().__init__(tensor_1_dim, tensor_2_dim, combination, activation)

    def forward(self, matrix_1: Tensor, matrix_2: Tensor) -> Tensor:
        """Compare all pairs of rows."""
        # (B, R1, 1, D1) and (B, 1, R2, D2) -> (B, R1, R2)
        return self._similarities(matrix_1.unsqueeze(2), matrix_2.unsqueeze(1))
