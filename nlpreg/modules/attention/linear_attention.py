"""Attention by a linear layer over combinations of features, and the base class that it shares with the matrix form."""

import math
from typing import Any

import torch
from torch import Tensor

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.attention.attention import Attention
from nlpreg.nn import Activation
from nlpreg.nn.util.combination import combine_tensors_and_multiply, get_combined_dim


class LinearSimilarity(torch.nn.Module):
    """`activation(w @ combination(x, y) + b)` for vectors x and y; the second base of two registered classes.

    Args:
        tensor_1_dim: width of x.
        tensor_2_dim: width of y.
        combination: which features, such as "x,y,x*y", see `combine_tensors`.
        activation: applied to each similarity; none by default.
        options: arguments of the first base class.

    Raises:
        ConfigurationError: the combination cannot be read, or the widths do not fit it.
    """

    def __init__(
        self,
        tensor_1_dim: int,
        tensor_2_dim: int,
        combination: str,
        activation: Activation | None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._combination = combination
        combined_dim = get_combined_dim(combination, [tensor_1_dim, tensor_2_dim])
        self._weight_vector = torch.nn.Parameter(torch.empty(combined_dim))
        self._bias = torch.nn.Parameter(torch.zeros(1))
        self._activation = activation or Activation.by_name("linear")()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the weights."""
        bound = math.sqrt(6 / (self._weight_vector.size(0) + 1))
        torch.nn.init.uniform_(self._weight_vector, -bound, bound)
        torch.nn.init.zeros_(self._bias)

    def _similarities(self, x: Tensor, y: Tensor) -> Tensor:
        """(..., tensor_1_dim) and (..., tensor_2_dim), broadcast -> (...)."""
        # The combined vector, which would be as wide as all its parts, is never built.
        combined = combine_tensors_and_multiply(self._combination, [x, y], self._weight_vector)
        similarities: Tensor = self._activation(combined + self._bias)
        return similarities


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
        tensor_1_dim: PositiveInt,
        tensor_2_dim: PositiveInt,
        combination: str = "x,y",
        activation: Activation | None = None,
        normalize: bool = True,
    ) -> None:
        super().__init__(tensor_1_dim, tensor_2_dim, combination, activation, normalize=normalize)

    def _forward_internal(self, vector: Tensor, matrix: Tensor) -> Tensor:
        # (B, 1, D1) and (B, R, D2) -> (B, R)
        return self._similarities(vector.unsqueeze(1), matrix)
