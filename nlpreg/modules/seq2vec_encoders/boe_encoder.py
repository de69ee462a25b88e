"""The sum or mean of a sequence's vectors."""

import torch

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.seq2vec_encoders.seq2vec_encoder import Seq2VecEncoder


@Seq2VecEncoder.register("boe")
@Seq2VecEncoder.register("bag_of_embeddings")
class BagOfEmbeddingsEncoder(Seq2VecEncoder):
    """Sums or averages the vectors of a sequence.

    Args:
        embedding_dim: width of the vectors.
        averaged: whether to divide by the number of words.

    Shape:
        tokens (B, T, embedding_dim), mask (B, T) bool or None for no padding -> (B, embedding_dim), zeros for rows
        that are all padding.
    """

    def __init__(self, embedding_dim: PositiveInt, averaged: bool = False) -> None:
        super().__init__()
        self._input_dim = self._output_dim = embedding_dim
        self._averaged = averaged

    def padding_reach(self) -> int | None:
        """Zero."""
        return 0

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Encode a batch."""
        if mask is not None:
            mask = mask.bool()
            tokens = tokens.masked_fill(~mask.unsqueeze(-1), 0)
        # (B, embedding_dim)
        summed = tokens.sum(1)
        if not self._averaged:
            return summed
        if mask is None:
            return summed / max(tokens.size(1), 1)
        return summed / mask.sum(-1, keepdim=True).clamp(min=1)
