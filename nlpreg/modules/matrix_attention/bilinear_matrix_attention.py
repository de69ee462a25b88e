"""Similarity by a learned bilinear form."""

import torch
from torch import Tensor

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.matrix_attention.matrix_attention import MatrixAttention
from nlpreg.nn import Activation


@MatrixAttention.register("bilinear")
class BilinearMatrixAttention(MatrixAttention):
    """`activation(row_1 @ W @ row_2 + b)` for each pair of rows.

    Args:
        matrix_1_dim: width of the first matrix.
        matrix_2_dim: width of the second matrix.
        activation: applied to each similarity; none by default.
        use_input_biases: append a feature that is always one to both matrices.
        label_dim: number of similarities of each pair.

    Shape:
        matrix_1 (B, R1, matrix_1_dim), matrix_2 (B, R2, matrix_2_dim) -> (B, R1, R2), or (B, label_dim, R1, R2)
        if `label_dim` is greater than one.
    """

    def __init__(
        self,
        matrix_1_dim: PositiveInt,
        matrix_2_dim: PositiveInt,
        activation: Activation | None = None,
        use_input_biases: bool = False,
        label_dim: PositiveInt = 1,
    ) -> None:
        super().__init__()
        extra = 1 if use_input_biases else 0
        shape = [matrix_1_dim + extra, matrix_2_dim + extra]
        if label_dim > 1:
            shape.insert(0, label_dim)
        self._weight_matrix = torch.nn.Parameter(torch.empty(shape))
        self._bias = torch.nn.Parameter(torch.zeros(1))
        self._activation = activation or Activation.by_name("linear")()
        self._use_input_biases = use_input_biases
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the weights."""
        torch.nn.init.xavier_uniform_(self._weight_matrix)
        torch.nn.init.zeros_(self._bias)

    def forward(self, matrix_1: Tensor, matrix_2: Tensor) -> Tensor:
        """Compare all pairs of rows."""
        if self._use_input_biases:
            matrix_1 = torch.nn.functional.pad(matrix_1, (0, 1), value=1.0)
            matrix_2 = torch.nn.functional.pad(matrix_2, (0, 1), value=1.0)
        if self._weight_matrix.dim() == 3:
            # (B, 1, R, D), for L labels
            matrix_1, matrix_2 = matrix_1.unsqueeze(1), matrix_2.unsqueeze(1)
        # (B, R1, R2), or (B, L, R1, R2)
        products = matrix_1 @ self._weight_matrix @ matrix_2.transpose(-1, -2)
        similarities: Tensor = self._activation(products + self._bias)
        return similarities
