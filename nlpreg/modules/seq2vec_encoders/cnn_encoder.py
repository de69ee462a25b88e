"""Convolutions over n-grams with max pooling."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common.checks import ConfigurationError, PositiveInt
from nlpreg.modules.seq2vec_encoders.seq2vec_encoder import Seq2VecEncoder
from nlpreg.nn.activations import Activation
from nlpreg.nn.operators import is_exporting
from nlpreg.nn.util import min_value_of_dtype


@Seq2VecEncoder.register("cnn")
class CnnEncoder(Seq2VecEncoder):
    """Applies filters of several widths to a sequence and takes the maximum of each.

    Only windows without padding count; the response of a filter that is wider than the sequence is zero.

    Args:
        embedding_dim: width of the input vectors.
        num_filters: number of filters of each width.
        ngram_filter_sizes: widths of the filters, in words.
        conv_layer_activation: applied to the responses; None for relu.
        output_dim: width of a linear projection of the responses; None for no projection.

    Shape:
        tokens (B, T, embedding_dim), mask (B, T) bool or None for no padding
        -> (B, output_dim, or num_filters * number of widths).

    Source: Kim (2014), https://aclanthology.org/D14-1181; Zhang and Wallace (2017), https://aclanthology.org/I17-1026
    """

    def __init__(
        self,
        embedding_dim: PositiveInt,
        num_filters: PositiveInt,
        ngram_filter_sizes: tuple[PositiveInt, ...] = (2, 3, 4, 5),
        conv_layer_activation: Activation | None = None,
        output_dim: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        if not ngram_filter_sizes:
            raise ConfigurationError("ngram_filter_sizes: expected at least one width, got none")
        self._input_dim = embedding_dim
        self._ngram_filter_sizes = tuple(ngram_filter_sizes)
        self._activation = conv_layer_activation or Activation.by_name("relu")()
        for index, size in enumerate(self._ngram_filter_sizes):
            self.add_module(f"conv_layer_{index}", nn.Conv1d(embedding_dim, num_filters, size))
        num_responses = num_filters * len(self._ngram_filter_sizes)
        self.projection_layer = nn.Linear(num_responses, output_dim) if output_dim else None
        self._output_dim = output_dim or num_responses

    def padding_reach(self) -> int | None:
        """Zero."""
        return 0

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode a batch."""
        if mask is None:
            lengths = tokens.new_full((len(tokens), 1), tokens.size(1), dtype=torch.long)  # (B, 1)
        else:
            mask = mask.bool()
            tokens = tokens.masked_fill(~mask.unsqueeze(-1), 0)
            lengths = mask.sum(1, keepdim=True)
        inputs = tokens.transpose(1, 2)  # (B, embedding_dim, T)
        largest_size = max(self._ngram_filter_sizes)
        # an exported program pads texts of any length; the additional padding has no influence
        missing = largest_size - 1 if is_exporting() else largest_size - inputs.size(2)
        if missing > 0:  # a convolution requires inputs that are at least as long as its filters
            inputs = functional.pad(inputs, (0, missing))
        responses = []
        for index, size in enumerate(self._ngram_filter_sizes):
            # (B, filters, T - size + 1)
            convolved = self._activation(getattr(self, f"conv_layer_{index}")(inputs))
            starts = torch.arange(convolved.size(2), device=lengths.device)
            is_outside = (starts > lengths - size).unsqueeze(1)  # (B, 1, T - size + 1)
            convolved = convolved.masked_fill(is_outside, min_value_of_dtype(convolved.dtype))
            # Only the first of equal maxima gets the gradient, which is faster than dividing it among them.
            largest = convolved.max(dim=2).values  # (B, filters)
            responses.append(largest.masked_fill(lengths < size, 0))
        response = responses[0] if len(responses) == 1 else torch.cat(responses, dim=1)
        return response if self.projection_layer is None else self.projection_layer(response)
