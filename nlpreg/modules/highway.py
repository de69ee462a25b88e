"""Layers that pass part of their input through."""

from collections.abc import Callable

import torch
from torch import Tensor


class Highway(torch.nn.Module):
    """Layers `y = g * x + (1 - g) * activation(W x + b)` with a learned gate g.

    Args:
        input_dim: width of input and output.
        num_layers: number of layers.
        activation: the nonlinearity.

    Shape:
        (..., input_dim) -> (..., input_dim).

    Source: Srivastava, Greff and Schmidhuber (2015), https://arxiv.org/abs/1505.00387
    """

    def __init__(
        self,
        input_dim: int,
        num_layers: int = 1,
        activation: Callable[[Tensor], Tensor] = torch.nn.functional.relu,
    ) -> None:
        super().__init__()
        self._input_dim = input_dim
        self._activation = activation
        self._layers = torch.nn.ModuleList(
            torch.nn.Linear(input_dim, 2 * input_dim) for _ in range(num_layers)
        )
        for layer in self._layers:
            # A positive bias passes the input through at the start of training.
            torch.nn.init.ones_(layer.bias[input_dim:])  # type: ignore[index]  # a Linear has a bias unless told otherwise

    @property
    def layers(self) -> torch.nn.ModuleList:
        """The linear layers, each of the proposed values and, in the second half of its rows, of the gate."""
        return self._layers

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the layers to the last dimension of `inputs`."""
        current = inputs
        for layer in self._layers:
            # (..., D) each
            nonlinear, gate = layer(current).chunk(2, dim=-1)
            proposed = self._activation(nonlinear)
            # a gate of 1 keeps the input
            current = proposed + torch.sigmoid(gate) * (current - proposed)
        return current
