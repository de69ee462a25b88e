"""Layers whose output is the largest of several linear maps."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from nlpreg.common import FromParams
from nlpreg.common.checks import PositiveInt, Probability
from nlpreg.modules.feedforward import one_per_layer


class Maxout(torch.nn.Module, FromParams):
    """Linear layers followed by a maximum over pools and by dropout.

    Args:
        input_dim: width of the input.
        num_layers: number of layers.
        output_dims: width of the output of each layer, or one value for all.
        pool_sizes: for each layer, the number of linear maps whose maximum is an output, or one value for all.
        dropout: dropout probability after each layer, from 0 to 1, or one value for all.

    Shape:
        (..., input_dim) -> (..., output_dim), the width of the last layer.

    Raises:
        ConfigurationError: a list does not have one entry for each layer.

    Source: Goodfellow et al. (2013), https://arxiv.org/abs/1302.4389
    """

    def __init__(
        self,
        input_dim: PositiveInt,
        num_layers: PositiveInt,
        output_dims: PositiveInt | Sequence[PositiveInt],
        pool_sizes: PositiveInt | Sequence[PositiveInt],
        dropout: Probability | Sequence[Probability] = 0.0,
    ) -> None:
        super().__init__()
        self._output_dims, self._pool_sizes, rates = one_per_layer(
            "Maxout", num_layers, output_dims=output_dims, pool_sizes=pool_sizes, dropout=dropout
        )
        self._linear_layers = torch.nn.ModuleList(
            torch.nn.Linear(size_in, size_out * pool)
            for (size_in, size_out), pool in zip(
                pairwise([input_dim, *self._output_dims]), self._pool_sizes, strict=True
            )
        )
        self._dropout = torch.nn.ModuleList(torch.nn.Dropout(p=rate) for rate in rates)
        self._input_dim = input_dim

    def get_input_dim(self) -> int:
        """Width of the input."""
        return self._input_dim

    def get_output_dim(self) -> int:
        """Width of the output."""
        return int(self._output_dims[-1])

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the layers to the last dimension of `inputs`."""
        output = inputs
        for layer, width, pool, dropout in zip(
            self._linear_layers, self._output_dims, self._pool_sizes, self._dropout, strict=True
        ):
            # (..., width, pool) -> (..., width)
            output = dropout(layer(output).unflatten(-1, (width, pool)).amax(dim=-1))
        return output
