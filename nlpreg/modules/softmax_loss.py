"""The full softmax over a vocabulary, as a loss."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.common.checks import argument_ranges
from nlpreg.nn.util.losses import linear_softmax_nll

# The log probabilities of a chunk of states are at most so many numbers.
_CHUNK_NUMBERS = 2**22


class WordDistribution(torch.nn.Module, Registrable):
    """A layer that makes a distribution over a vocabulary of each state of a language model.

    Besides the loss in training, which each class computes in its own way, it gives exact log probabilities, which
    generation and scoring need. A model that lets its config choose one passes `num_words` and `embedding_dim`, and to
    those that share the vectors of its input words (`tie_embeddings`), the `embedding`.

    Shape:
        embeddings (N, embedding_dim), targets (N,) from 0 to num_words - 1, or -1 for states that do not count
        -> scalar, the negative log-likelihood of the targets, a sum over the N.
    """

    constructor_extras = frozenset(["embedding", "embedding_dim", "num_words"])
    shares_extras = False

    tie_embeddings: bool

    def log_probabilities(self, embeddings: Tensor) -> Tensor:
        """The natural logarithm of the probability of every word, (N, embedding_dim) -> (N, num_words)."""
        raise NotImplementedError

    @torch.no_grad()
    def target_log_probabilities(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """The natural logarithm of the probability of one word for each state, without gradient.

        Args:
            embeddings: (N, embedding_dim).
            targets: (N,), from 0 to num_words - 1.
        """
        result = embeddings.new_zeros(len(targets))
        start, size = 0, 1
        while start < len(targets):
            chunk = slice(start, start + size)
            log_probabilities = self.log_probabilities(embeddings[chunk])  # (chunk, V)
            result[chunk] = log_probabilities.gather(1, targets[chunk].unsqueeze(1)).squeeze(1)
            start += size
            # The first row tells how many words there are.
            size = max(1, _CHUNK_NUMBERS // log_probabilities.size(1))
        return result


@WordDistribution.register("softmax")
class SoftmaxLoss(WordDistribution):
    """The summed negative log-likelihood of target words under a linear layer with a softmax.

    Logits are made for some embeddings at a time, see `linear_softmax_nll`; there is no second derivative.

    Args:
        num_words: number of classes.
        embedding_dim: width of the embeddings.
        chunk_size: how many embeddings to treat at a time; chosen by the number of words if None. Fewer need
            less memory.
        half_precision: whether to compute the logits in bfloat16, and their sums in float32, without autocast too.

    Shape:
        embeddings (N, embedding_dim), targets (N,) from 0 to num_words - 1, or -1 for embeddings that do not count
        -> scalar, a sum over the N.
    """

    check_arguments = argument_ranges(sizes=("num_words", "embedding_dim", "chunk_size"))

    def __init__(
        self,
        num_words: int,
        embedding_dim: int,
        chunk_size: int | None = None,
        half_precision: bool = False,
    ) -> None:
        super().__init__()
        self.half_precision = half_precision
        self.tie_embeddings = False
        self.chunk_size = chunk_size
        self.softmax_w = torch.nn.Parameter(torch.randn(embedding_dim, num_words) / embedding_dim**0.5)
        self.softmax_b = torch.nn.Parameter(torch.zeros(num_words))

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """The loss of the targets, summed."""
        dtype = torch.bfloat16 if self.half_precision else None
        return linear_softmax_nll(
            embeddings, self.softmax_w, self.softmax_b, targets, chunk_size=self.chunk_size, dtype=dtype
        )

    def log_probabilities(self, embeddings: Tensor) -> Tensor:
        """See `WordDistribution.log_probabilities`."""
        return torch.addmm(self.softmax_b, embeddings, self.softmax_w).log_softmax(dim=-1)
