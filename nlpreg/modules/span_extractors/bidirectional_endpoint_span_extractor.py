"""Spans from the states of a bidirectional encoder at their ends."""

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError, PositiveInt
from nlpreg.modules.span_extractors.span_extractor import SpanExtractor
from nlpreg.modules.span_extractors.span_extractor_with_span_width_embedding import (
    SpanExtractorWithSpanWidthEmbedding,
    split_spans,
)
from nlpreg.nn.util import batched_index_select, combine_tensors, get_combined_dim


@SpanExtractor.register("bidirectional_endpoint")
class BidirectionalEndpointSpanExtractor(SpanExtractorWithSpanWidthEmbedding):
    """Combines, in each direction, the state before a span is read (x) with the state after it (y).

    The first half of the features belongs to the left-to-right direction: x is the vector before the span, y the
    last one of the span. The second half belongs to the right-to-left direction: x is the vector after the span, y the
    first one of the span.

    Args:
        input_dim: width of the sequence's vectors, even.
        forward_combination: features of the first half, see `combine_tensors`.
        backward_combination: features of the second half.
        use_sentinels: whether the vectors before and after the sequence are learned; zeros otherwise.

    Shape:
        as in `SpanExtractor`.

    Raises:
        ConfigurationError: `input_dim` is odd, only one of the two width options is given, or a combination cannot be
            read.

    Source: Wang and Chang (2016), "Graph-based Dependency Parsing with Bidirectional LSTM"; Stern, Andreas and
    Klein (2017), "A Minimal Span-Based Neural Constituency Parser".
    """

    def __init__(
        self,
        input_dim: PositiveInt,
        forward_combination: str = "y-x",
        backward_combination: str = "x-y",
        num_width_embeddings: PositiveInt | None = None,
        span_width_embedding_dim: PositiveInt | None = None,
        bucket_widths: bool = False,
        use_sentinels: bool = True,
    ) -> None:
        super().__init__(input_dim, num_width_embeddings, span_width_embedding_dim, bucket_widths)
        if input_dim % 2:
            raise ConfigurationError(
                f"BidirectionalEndpointSpanExtractor: input_dim must be even, one half for each direction, "
                f"got {input_dim}"
            )
        half = input_dim // 2
        self._forward_combination = forward_combination
        self._backward_combination = backward_combination
        self._combined_dim = get_combined_dim(forward_combination, [half, half]) + get_combined_dim(
            backward_combination, [half, half]
        )
        self._use_sentinels = use_sentinels
        if use_sentinels:
            self._start_sentinel = torch.nn.Parameter(torch.randn(1, 1, half))
            self._end_sentinel = torch.nn.Parameter(torch.randn(1, 1, half))

    def _embed_spans(
        self,
        sequence_tensor: Tensor,
        span_indices: Tensor,
        sequence_mask: Tensor | None,
        span_indices_mask: Tensor | None,
    ) -> Tensor:
        starts, ends = split_spans(span_indices, span_indices_mask)  # (B, S)
        if sequence_mask is not None:
            lengths = sequence_mask.sum(dim=1, keepdim=True)  # (B, 1)
        else:
            lengths = torch.full_like(starts[:, :1], sequence_tensor.size(1))
        is_outside = (starts < 0) | (ends >= lengths.clamp(min=1))
        if bool(is_outside.any()):
            raise ValueError(
                f"a span lies outside its sequence: the first indices are {starts.tolist()}, the last ones "
                f"{ends.tolist()}, and the lengths {lengths.squeeze(1).tolist()}"
            )
        # (B, T, D / 2) each
        forward_half, backward_half = sequence_tensor.chunk(2, dim=-1)
        # (B, S, 1)
        is_first = (starts == 0).unsqueeze(-1)
        is_last = (ends + 1 >= lengths).unsqueeze(-1)
        # (B, S, D / 2)
        before = batched_index_select(forward_half, (starts - 1).clamp(min=0))
        after = batched_index_select(backward_half, (ends + 1).clamp(max=sequence_tensor.size(1) - 1))
        zero = before.new_zeros(1)
        before = torch.where(is_first, self._start_sentinel if self._use_sentinels else zero, before)
        after = torch.where(is_last, self._end_sentinel if self._use_sentinels else zero, after)
        forward_spans = combine_tensors(
            self._forward_combination, [before, batched_index_select(forward_half, ends)]
        )
        backward_spans = combine_tensors(
            self._backward_combination, [after, batched_index_select(backward_half, starts)]
        )
        return torch.cat([forward_spans, backward_spans], dim=-1)
