"""A stack of linear layers with activations and dropout."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from nlpreg.common import FromParams
from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.nn import Activation


def one_per_layer(owner: str, num_layers: int, **options: Any) -> list[list[Any]]:
    """The value of each option for each layer.

    Args:
        owner: name of the class whose options they are, for messages.
        num_layers: number of layers.
        options: a list with one value for each layer, or one value for all.

    Raises:
        ConfigurationError: a list has another length.
    """
    lists = [
        list(value) if isinstance(value, (list, tuple)) else [value] * num_layers
        for value in options.values()
    ]
    for name, values in zip(options, lists, strict=True):
        if len(values) != num_layers:
            raise ConfigurationError(
                f"{owner}: {name} has {len(values)} entries for {num_layers} layers; give one for each, or one value for all"
            )
    return lists


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
        widths, functions, rates = one_per_layer(
            "FeedForward", num_layers, hidden_dims=hidden_dims, activations=activations, dropout=dropout
        )
        sizes = [input_dim, *widths]
        self._activations = torch.nn.ModuleList(functions)
        self._linear_layers = torch.nn.ModuleList(
            torch.nn.Linear(size_in, size_out) for size_in, size_out in pairwise(sizes)
        )
        self._dropout = torch.nn.ModuleList(torch.nn.Dropout(p=rate) for rate in rates)
        self._input_dim = input_dim
        self._output_dim = int(sizes[-1])

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
