"""The full softmax over a vocabulary, as a loss."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.nn.util.losses import linear_softmax_nll


class SoftmaxLoss(torch.nn.Module):
    """The summed negative log-likelihood of target words under a linear layer with a softmax.

    Logits are made for some embeddings at a time, see `linear_softmax_nll`; there is no second derivative.

    Args:
        num_words: number of classes.
        embedding_dim: width of the embeddings.
        chunk_size: how many embeddings to treat at a time; chosen by the number of words if None. Fewer need
            less memory.

    Shape:
        embeddings (N, embedding_dim), targets (N,) from 0 to num_words - 1, or -1 for embeddings that do not count
        -> scalar, a sum over the N.
    """

    def __init__(self, num_words: int, embedding_dim: int, chunk_size: int | None = None) -> None:
        super().__init__()
        self.tie_embeddings = False
        self.chunk_size = chunk_size
        self.softmax_w = torch.nn.Parameter(torch.randn(embedding_dim, num_words) / embedding_dim**0.5)
        self.softmax_b = torch.nn.Parameter(torch.zeros(num_words))

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """The loss of the targets, summed."""
        return linear_softmax_nll(
            embeddings, self.softmax_w, self.softmax_b, targets, chunk_size=self.chunk_size
        )
