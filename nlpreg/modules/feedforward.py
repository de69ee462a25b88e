"""A stack of linear layers with activations and dropout."""

from itertools import pairwise

import torch
from torch import Tensor

from nlpreg.common import FromParams
from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.nn import Activation


class FeedForward(torch.nn.Module, FromParams):
    """Linear layers, each followed by an activation and dropout.

    Args:
        input_dim: width of the input.
        num_layers: number of layers.
        hidden_dims: width of the output of each layer, or one value for all.
        activations: activation of each layer, or one for all.
        dropout: dropout probability after each layer, from 0 to 1, or one value for all.

    Shape:
        (..., input_dim) -> (..., output_dim), the width of the last layer.

    Raises:
        ConfigurationError: a list does not have one entry for each layer.
    """

    def __init__(
        self,
        input_dim: PositiveInt,
        num_layers: PositiveInt,
        hidden_dims: PositiveInt | list[PositiveInt],
        activations: Activation | list[Activation],
        dropout: Probability | list[Probability] = 0.0,
    ) -> None:
        super().__init__()
        widths = hidden_dims if isinstance(hidden_dims, (list, tuple)) else [hidden_dims] * num_layers
        functions = activations if isinstance(activations, (list, tuple)) else [activations] * num_layers
        rates = dropout if isinstance(dropout, (list, tuple)) else [dropout] * num_layers
        for name, values in (("hidden_dims", widths), ("activations", functions), ("dropout", rates)):
            if len(values) != num_layers:
                raise ConfigurationError(
                    f"FeedForward: {name} has {len(values)} entries for {num_layers} layers; give one for each, or "
                    "one value for all"
                )
        sizes = [input_dim, *widths]
        self._activations = torch.nn.ModuleList(functions)
        self._linear_layers = torch.nn.ModuleList(
            torch.nn.Linear(size_in, size_out) for size_in, size_out in pairwise(sizes)
        )
        self._dropout = torch.nn.ModuleList(torch.nn.Dropout(p=rate) for rate in rates)
        self._input_dim = input_dim
        self._output_dim = sizes[-1]

    def get_input_dim(self) -> int:
        """Width of the input."""
        return self._input_dim

    def get_output_dim(self) -> int:
        """Width of the output."""
        return self._output_dim

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the layers to the last dimension of `inputs`."""
        output = inputs
        for layer, activation, dropout in zip(
            self._linear_layers, self._activations, self._dropout, strict=True
        ):
            # (..., width of the layer)
            output = dropout(activation(layer(output)))
        return output
