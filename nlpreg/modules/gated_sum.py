"""A learned balance between two tensors."""

import torch
from torch import Tensor

from nlpreg.nn import Activation


class GatedSum(torch.nn.Module):
    """`g * a + (1 - g) * b` with one gate for each pair of vectors.

    Args:
        input_dim: width of the vectors.
        activation: the activation of the gate; by default a sigmoid, with values from 0 to 1.

    Shape:
        input_a and input_b (..., input_dim) -> (..., input_dim).

    Raises:
        ValueError: the inputs differ in shape, or their width is not `input_dim`.
    """

    def __init__(self, input_dim: int, activation: Activation = torch.nn.Sigmoid()) -> None:  # type: ignore[assignment]  # noqa: B008 - the default of AllenNLP, which has no state
        super().__init__()
        self.input_dim = input_dim
        self._gate = torch.nn.Linear(2 * input_dim, 1)
        self._activation = activation

    def get_input_dim(self) -> int:
        """Width of each input."""
        return self.input_dim

    def get_output_dim(self) -> int:
        """Width of the output."""
        return self.input_dim

    def forward(self, input_a: Tensor, input_b: Tensor) -> Tensor:
        """Mix two tensors of the same shape."""
        if input_a.shape != input_b.shape:
            raise ValueError(
                f"the inputs must have the same shape, got {tuple(input_a.shape)} and {tuple(input_b.shape)}"
            )
        if input_a.size(-1) != self.input_dim:
            raise ValueError(f"the inputs must have the width {self.input_dim}, got {input_a.size(-1)}")
        # (..., 1), one number for all features of a vector
        gate: Tensor = self._activation(self._gate(torch.cat([input_a, input_b], dim=-1)))
        return gate * input_a + (1 - gate) * input_b
