"""Spans as an attention-weighted sum of their vectors."""

import torch
from torch import Tensor

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.span_extractors.span_extractor import SpanExtractor
from nlpreg.modules.span_extractors.span_extractor_with_span_width_embedding import (
    SpanExtractorWithSpanWidthEmbedding,
    split_spans,
)
from nlpreg.modules.time_distributed import TimeDistributed
from nlpreg.nn.util import batched_span_select, masked_softmax, weighted_sum


@SpanExtractor.register("self_attentive")
class SelfAttentiveSpanExtractor(SpanExtractorWithSpanWidthEmbedding):
    """Scores every timestep once, and sums each span by a softmax of the scores inside it.

    Shape:
        as in `SpanExtractor`.

    Source: Lee et al. (2017), section 4, https://arxiv.org/abs/1707.07045
    """

    def __init__(
        self,
        input_dim: PositiveInt,
        num_width_embeddings: PositiveInt | None = None,
        span_width_embedding_dim: PositiveInt | None = None,
        bucket_widths: bool = False,
    ) -> None:
        super().__init__(input_dim, num_width_embeddings, span_width_embedding_dim, bucket_widths)
        self._global_attention = TimeDistributed(torch.nn.Linear(input_dim, 1))

    def _embed_spans(
        self,
        sequence_tensor: Tensor,
        span_indices: Tensor,
        sequence_mask: Tensor | None,
        span_indices_mask: Tensor | None,
    ) -> Tensor:
        scores = self._global_attention(sequence_tensor)  # (B, T, 1)
        spans = torch.stack(split_spans(span_indices, span_indices_mask), dim=-1)
        # The scores are one more feature, so that they are selected with the vectors: (B, S, widest span, D + 1).
        selected, mask = batched_span_select(torch.cat([sequence_tensor, scores], dim=-1), spans)
        weights = masked_softmax(selected[..., -1], mask)  # (B, S, widest span)
        # (B, S, D)
        return weighted_sum(selected[..., :-1], weights)
