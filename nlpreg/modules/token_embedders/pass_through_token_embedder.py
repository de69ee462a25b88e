"""Vectors from the indexer as embeddings."""

import torch

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder


@TokenEmbedder.register("pass_through")
class PassThroughTokenEmbedder(TokenEmbedder):
    """Returns its input, for indexers that produce vectors themselves.

    Args:
        hidden_dim: width of the vectors.

    Shape:
        tokens (B, T, hidden_dim) -> the same.
    """

    def __init__(self, hidden_dim: PositiveInt) -> None:
        super().__init__()
        self.hidden_dim = self.output_dim = hidden_dim

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return `tokens` as they are."""
        return tokens
