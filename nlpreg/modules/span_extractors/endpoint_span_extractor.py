"""Spans as a combination of their first and last vectors."""

import torch
from torch import Tensor

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.span_extractors.span_extractor import SpanExtractor
from nlpreg.modules.span_extractors.span_extractor_with_span_width_embedding import (
    SpanExtractorWithSpanWidthEmbedding,
    split_spans,
)
from nlpreg.nn.util import batched_index_select, combine_tensors, get_combined_dim


@SpanExtractor.register("endpoint")
class EndpointSpanExtractor(SpanExtractorWithSpanWidthEmbedding):
    """Combines the vectors of a span's first (x) and last (y) timestep.

    Args:
        combination: which features, such as "x,y,x*y", see `combine_tensors`.
        use_exclusive_start_indices: x is the vector before the span, or a learned one at the sequence's start.

    Shape:
        as in `SpanExtractor`.

    Raises:
        ConfigurationError: only one of the two width options is given, or the combination cannot be read.
    """

    def __init__(
        self,
        input_dim: PositiveInt,
        combination: str = "x,y",
        num_width_embeddings: PositiveInt | None = None,
        span_width_embedding_dim: PositiveInt | None = None,
        bucket_widths: bool = False,
        use_exclusive_start_indices: bool = False,
    ) -> None:
        super().__init__(input_dim, num_width_embeddings, span_width_embedding_dim, bucket_widths)
        self._combination = combination
        self._combined_dim = get_combined_dim(combination, [input_dim, input_dim])
        self._use_exclusive_start_indices = use_exclusive_start_indices
        if use_exclusive_start_indices:
            self._start_sentinel = torch.nn.Parameter(torch.randn(1, 1, input_dim))

    def _embed_spans(
        self,
        sequence_tensor: Tensor,
        span_indices: Tensor,
        sequence_mask: Tensor | None,
        span_indices_mask: Tensor | None,
    ) -> Tensor:
        # (B, S) each
        starts, ends = split_spans(span_indices, span_indices_mask)
        if bool((starts < 0).any()):
            raise ValueError("a span begins before the sequence; its first index must be 0 or more")
        # (B, S, D)
        end_vectors = batched_index_select(sequence_tensor, ends)
        if not self._use_exclusive_start_indices:
            start_vectors = batched_index_select(sequence_tensor, starts)
        else:
            # (B, S, 1)
            is_first = (starts == 0).unsqueeze(-1)
            before = batched_index_select(sequence_tensor, (starts - 1).clamp(min=0))
            start_vectors = torch.where(is_first, self._start_sentinel, before)
        return combine_tensors(self._combination, [start_vectors, end_vectors])
