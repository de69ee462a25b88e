"""Spans as the maximum of their vectors."""

import torch
from torch import Tensor

from nlpreg.modules.span_extractors.span_extractor import SpanExtractor
from nlpreg.modules.span_extractors.span_extractor_with_span_width_embedding import (
    SpanExtractorWithSpanWidthEmbedding,
    split_spans,
)
from nlpreg.nn.util import batched_span_select, masked_max


@SpanExtractor.register("max_pooling")
class MaxPoolingSpanExtractor(SpanExtractorWithSpanWidthEmbedding):
    """Takes the maximum of each feature over the part of a span inside the sequence.

    Shape:
        as in `SpanExtractor`.
    """

    def _embed_spans(
        self,
        sequence_tensor: Tensor,
        span_indices: Tensor,
        sequence_mask: Tensor | None,
        span_indices_mask: Tensor | None,
    ) -> Tensor:
        starts, ends = split_spans(span_indices, span_indices_mask)  # (B, S)
        num_steps = sequence_tensor.size(1)
        if bool(((starts < 0) | (ends >= num_steps)).any()):
            raise IndexError(
                f"a span lies outside the sequence of {num_steps} timesteps: {span_indices.tolist()}"
            )
        if bool((starts > ends).any()):
            raise IndexError(f"a span begins after its end: {span_indices.tolist()}")
        if sequence_mask is not None:
            last = sequence_mask.sum(dim=1, keepdim=True) - 1  # (B, 1)
            is_masked = starts > last
            if span_indices_mask is not None:
                is_masked = is_masked & span_indices_mask
            if bool(is_masked.any()):
                raise IndexError(f"a span consists of masked timesteps only: {span_indices.tolist()}")
            ends = torch.minimum(ends, last.clamp(min=0))
        # (B, S, widest span, D), (B, S, widest span)
        selected, mask = batched_span_select(sequence_tensor, torch.stack([starts, ends], dim=-1))
        # A masked span may be empty after truncation; it is zeroed later and only has to be finite.
        return masked_max(selected, mask.unsqueeze(-1), dim=-2)
