"""Convolutions, highway layers and a projection, as language models use them over characters."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common.checks import ConfigurationError, PositiveInt
from nlpreg.modules.highway import Highway
from nlpreg.modules.layer_norm import LayerNorm
from nlpreg.modules.seq2vec_encoders.seq2vec_encoder import Seq2VecEncoder

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": functional.relu, "tanh": torch.tanh}
_PROJECTION_LOCATIONS = ("after_cnn", "after_highway", None)


@Seq2VecEncoder.register("cnn-highway")
class CnnHighwayEncoder(Seq2VecEncoder):
    """Applies filters with max pooling, then highway layers and a projection.

    Args:
        embedding_dim: width of the input vectors.
        filters: for each width of filters, [width, number of filters].
        num_highway: number of highway layers.
        projection_dim: width of the projection.
        activation: `relu` or `tanh`, applied to the responses.
        projection_location: `after_cnn`, `after_highway`, or None for no projection.
        do_layer_norm: whether to normalise the output.

    Shape:
        inputs (B, T, embedding_dim), padded with zeros to the widest filter; mask (B, T), which is ignored: padding counts, as
        in the published models -> (B, projection_dim, or the number of filters without a projection).

    Raises:
        ConfigurationError: another activation or location.

    Source: Kim et al. (2016), https://arxiv.org/abs/1508.06615; Jozefowicz et al. (2016), https://arxiv.org/abs/1602.02410
    """

    def __init__(
        self,
        embedding_dim: PositiveInt,
        filters: Sequence[Sequence[PositiveInt]],
        num_highway: PositiveInt,
        projection_dim: PositiveInt,
        activation: str = "relu",
        projection_location: str | None = "after_highway",
        do_layer_norm: bool = False,
    ) -> None:
        super().__init__()
        if projection_location not in _PROJECTION_LOCATIONS:
            raise ConfigurationError(
                f"projection_location: expected one of {_PROJECTION_LOCATIONS}, got {projection_location!r}"
            )
        if activation not in _ACTIVATIONS:
            raise ConfigurationError(
                f"activation: expected one of {sorted(_ACTIVATIONS)}, got {activation!r}"
            )
        if not filters:
            raise ConfigurationError("filters: expected at least one pair of a width and a number, got none")
        self.input_dim = self._input_dim = embedding_dim
        self._activation = _ACTIVATIONS[activation]
        self._projection_location = projection_location

        self._num_widths = len(filters)
        self._widest = max((width for width, _ in filters))
        for index, (width, number) in enumerate(filters):
            convolution = nn.Conv1d(embedding_dim, number, kernel_size=width)
            nn.init.uniform_(convolution.weight, -0.05, 0.05)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]  # a Conv1d has a bias unless told otherwise
            self.add_module(f"char_conv_{index}", convolution)

        num_filters = sum(number for _, number in filters)
        self.output_dim = self._output_dim = projection_dim if projection_location else num_filters
        highway_dim = projection_dim if projection_location == "after_cnn" else num_filters
        self._highways = Highway(highway_dim, num_highway, activation=functional.relu)
        for layer in self._highways.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, 0.0, math.sqrt(1.0 / highway_dim))
            nn.init.constant_(layer.bias[:highway_dim], 0.0)
            nn.init.constant_(layer.bias[highway_dim:], 2.0)
        # Created even if it is not used, because every archive has its weights.
        self._projection = nn.Linear(num_filters, projection_dim)
        nn.init.normal_(self._projection.weight, 0.0, math.sqrt(1.0 / num_filters))
        nn.init.zeros_(self._projection.bias)
        self._layer_norm = LayerNorm(self.output_dim) if do_layer_norm else None

    def convolutions(self) -> list[nn.Conv1d]:
        """The filters of each width."""
        return [getattr(self, f"char_conv_{index}") for index in range(self._num_widths)]

    def padding_reach(self) -> int | None:
        """The width of the widest filter: padding beyond that changes nothing."""
        return self._widest

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode a batch."""
        channels = inputs.transpose(1, 2)  # (B, embedding_dim, T)
        if channels.size(2) < self._widest:
            channels = functional.pad(channels, (0, self._widest - channels.size(2)))
        responses = [
            self._activation(convolution(channels).max(dim=-1).values) for convolution in self.convolutions()
        ]
        vector: Tensor = torch.cat(responses, dim=-1)  # (B, number of filters)
        if self._projection_location == "after_cnn":
            vector = self._projection(vector)
        # A projection before the highway makes it narrower, one after it keeps it as wide as there are filters.
        vector = self._highways(vector)
        if self._projection_location == "after_highway":
            vector = self._projection(vector)
        if self._layer_norm is not None:
            vector = self._layer_norm(vector)
        return vector
