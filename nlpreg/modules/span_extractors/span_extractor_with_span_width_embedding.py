"""Base class of span extractors with masks and optional embeddings of span widths."""

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError, PositiveInt
from nlpreg.modules.span_extractors.span_extractor import SpanExtractor
from nlpreg.modules.token_embedders.embedding import Embedding
from nlpreg.nn.util.indexing import bucket_values


class SpanExtractorWithSpanWidthEmbedding(SpanExtractor):
    """A span extractor that can append a learned vector for each span's width.

    Subclasses implement `_embed_spans`, may use `_span_width_embedding` (None without widths), and set `_combined_dim` if it makes vectors of another width than `input_dim`.

    Args:
        input_dim: width of the sequence's vectors.
        num_width_embeddings: number of distinct widths, or of buckets of widths.
        span_width_embedding_dim: size of the vector for a width; given together with `num_width_embeddings`.
        bucket_widths: put widths into growing buckets, see `bucket_values`.

    Shape:
        as in `SpanExtractor`.

    Raises:
        ConfigurationError: only one of `num_width_embeddings` and `span_width_embedding_dim` is given.
    """

    def __init__(
        self,
        input_dim: PositiveInt,
        num_width_embeddings: PositiveInt | None = None,
        span_width_embedding_dim: PositiveInt | None = None,
        bucket_widths: bool = False,
    ) -> None:
        super().__init__()
        self._input_dim = self._combined_dim = input_dim
        self._num_width_embeddings = num_width_embeddings
        self._bucket_widths = bucket_widths
        self._span_width_embedding: Embedding | None = None
        if num_width_embeddings is not None and span_width_embedding_dim is not None:
            self._span_width_embedding = Embedding(span_width_embedding_dim, num_width_embeddings)
        elif num_width_embeddings is not None or span_width_embedding_dim is not None:
            raise ConfigurationError(
                "give both num_width_embeddings and span_width_embedding_dim to use widths, or neither"
            )

    def forward(
        self,
        sequence_tensor: Tensor,
        span_indices: Tensor,
        sequence_mask: Tensor | None = None,
        span_indices_mask: Tensor | None = None,
    ) -> Tensor:
        """Represent spans, see `SpanExtractor.forward`.

        Raises:
            ValueError: the sequence's vectors are not `input_dim` wide.
        """
        if sequence_tensor.size(-1) != self._input_dim:
            raise ValueError(
                f"expected vectors of the width input_dim {self._input_dim}, got {sequence_tensor.size(-1)}"
            )
        if not span_indices.numel():
            return sequence_tensor.new_zeros(*span_indices.shape[:2], self.get_output_dim())
        if sequence_mask is not None:
            sequence_mask = sequence_mask.bool()
        if span_indices_mask is not None:
            span_indices_mask = span_indices_mask.bool()
        spans = self._embed_spans(sequence_tensor, span_indices, sequence_mask, span_indices_mask)
        if self._span_width_embedding is not None:
            # (B, S), one less than the number of words
            widths = span_indices[..., 1] - span_indices[..., 0]
            if self._bucket_widths:
                assert self._num_width_embeddings is not None
                widths = bucket_values(widths, num_total_buckets=self._num_width_embeddings)
            spans = torch.cat([spans, self._span_width_embedding(widths)], dim=-1)
        if span_indices_mask is not None:
            # (B, S, output_dim)
            return spans * span_indices_mask.unsqueeze(-1)
        return spans

    def get_input_dim(self) -> int:
        """Width of the sequence's vectors."""
        return self._input_dim

    def get_output_dim(self) -> int:
        """Width of the spans' vectors, with that of their widths' if there are any."""
        widths = self._span_width_embedding
        return self._combined_dim + (0 if widths is None else widths.get_output_dim())

    def _embed_spans(
        self,
        sequence_tensor: Tensor,
        span_indices: Tensor,
        sequence_mask: Tensor | None,
        span_indices_mask: Tensor | None,
    ) -> Tensor:
        """The vectors of the spans without widths; masked spans may hold anything finite."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _embed_spans")


def split_spans(span_indices: Tensor, span_indices_mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """First and last timestep of each span, zeros at masked spans: each (B, S)."""
    if span_indices_mask is not None:
        span_indices = span_indices * span_indices_mask.unsqueeze(-1)
    starts, ends = span_indices.unbind(dim=-1)
    return starts, ends
