"""Softmaxes over a vocabulary whose word vectors are those of the input embedding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError, argument_ranges
from nlpreg.modules.sampled_softmax_loss import SampledSoftmaxLoss
from nlpreg.modules.softmax_loss import WordDistribution
from nlpreg.modules.token_embedders.embedding import Embedding
from nlpreg.nn.util.losses import linear_softmax_nll

# N states, D width of the states, E width of the word vectors, V words


class SharedWordVectors(nn.Module):
    """The word vectors of an embedding as the weights of a softmax, which adds a bias of its own.

    The embedding stays a part of the model that it came from: it is no submodule of this one, so its weights are
    saved once, under the name that they have there, and are still shared after the embedding was extended.

    Args:
        num_words: number of classes V, that of the rows of the table, or fewer.
        embedding_dim: width D of the states.
        embedding: the table.
        first_row: row of the first class. The language models leave out padding, whose row is 0; with as many classes as
            there are rows, the last class gets row 0.

    Raises:
        ConfigurationError: the table has too few rows, or gives sparse gradients.
    """

    def __init__(self, num_words: int, embedding_dim: int, embedding: Embedding, first_row: int) -> None:
        super().__init__()
        num_rows, width = embedding.weight.shape
        if num_words != num_rows and num_words + first_row > num_rows:
            raise ConfigurationError(
                f"embedding: a softmax over {num_words} words from row {first_row} on needs as many rows, and the table has "
                f"{num_rows}; tie it to the embedding of the words that the model predicts"
            )
        if embedding.sparse:
            raise ConfigurationError(
                "embedding.sparse: an embedding that shares its weights with the softmax gets dense gradients; leave it out"
            )
        self._num_words = num_words
        self._first_row = first_row
        self._embedding = (embedding,)  # in a tuple, where torch does not look for submodules
        self.projection = nn.Linear(embedding_dim, width, bias=False) if width != embedding_dim else None
        self.bias = nn.Parameter(torch.zeros(num_words))

    def weight(self) -> Tensor:
        """The vectors of the classes, (V, E)."""
        table = self._embedding[0].weight
        if self._num_words == table.size(0):
            return table.roll(-self._first_row, 0) if self._first_row else table
        return table[self._first_row : self._first_row + self._num_words]

    def project(self, states: Tensor) -> Tensor:
        """States as wide as the word vectors, (N, D) -> (N, E)."""
        if self.projection is None:
            return states
        projected: Tensor = self.projection(states)
        return projected


@WordDistribution.register("tied_softmax")
class TiedSoftmaxLoss(WordDistribution):
    """The softmax over all words with the word vectors of the input embedding.

    Where the states have another width than the word vectors, a linear layer without a bias projects them first.

    Args:
        num_words: number of classes.
        embedding_dim: width of the states.
        embedding: whose table is shared.
        first_row: row of the first class, see `SharedWordVectors`.
        chunk_size: how many states to treat at a time, see `linear_softmax_nll`.

    Shape:
        embeddings (N, embedding_dim), targets (N,) from 0 to num_words - 1, or -1 for states that do not count
        -> scalar, a sum over the N.

    Raises:
        ConfigurationError: the table does not fit.

    Source: Press and Wolf (2017), https://aclanthology.org/E17-2025; Inan et al. (2017),
    https://arxiv.org/abs/1611.01462
    """

    check_arguments = argument_ranges(sizes=("num_words", "embedding_dim", "chunk_size"))

    def __init__(
        self,
        num_words: int,
        embedding_dim: int,
        embedding: Embedding,
        first_row: int = 1,
        chunk_size: int | None = None,
    ) -> None:
        super().__init__()
        self.tie_embeddings = True
        self.chunk_size = chunk_size
        self.shared = SharedWordVectors(num_words, embedding_dim, embedding, first_row)

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """The loss of the targets, summed."""
        weight = self.shared.weight().t()  # (E, V)
        return linear_softmax_nll(
            self.shared.project(embeddings), weight, self.shared.bias, targets, chunk_size=self.chunk_size
        )

    def log_probabilities(self, embeddings: Tensor) -> Tensor:
        """See `WordDistribution.log_probabilities`."""
        logits = torch.addmm(self.shared.bias, self.shared.project(embeddings), self.shared.weight().t())
        return logits.log_softmax(dim=-1)


@WordDistribution.register("tied_sampled_softmax")
class TiedSampledSoftmaxLoss(SampledSoftmaxLoss):
    """The sampled softmax with the word vectors of the input embedding, see `TiedSoftmaxLoss`.

    Args:
        num_words: number of classes.
        embedding_dim: width of the states.
        num_samples: how many words to sample, less than `num_words`.
        embedding: whose table is shared.
        first_row: row of the first class, see `SharedWordVectors`.
        chunk_size: how many states to treat at a time, see `linear_softmax_nll`.

    Shape:
        as in `SampledSoftmaxLoss`.

    Raises:
        ConfigurationError: the table does not fit.
        AssertionError: there are not fewer samples than words.
    """

    check_arguments = argument_ranges(sizes=("num_words", "embedding_dim", "num_samples", "chunk_size"))

    def __init__(
        self,
        num_words: int,
        embedding_dim: int,
        num_samples: int,
        embedding: Embedding,
        first_row: int = 1,
        chunk_size: int | None = None,
    ) -> None:
        super().__init__(num_words, embedding_dim, num_samples, chunk_size=chunk_size)
        del self.softmax_w, self.softmax_b
        self.tie_embeddings = True
        self.shared = SharedWordVectors(num_words, embedding_dim, embedding, first_row)

    def word_vectors(self) -> Tensor:
        """The vectors of the words, (V, E)."""
        return self.shared.weight()

    def word_biases(self) -> Tensor:
        """One number for each word, (V,)."""
        return self.shared.bias

    def losses(self, groups: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """See `SampledSoftmaxLoss.losses`."""
        return super().losses([(self.shared.project(states), targets) for states, targets in groups])

    def log_probabilities(self, embeddings: Tensor) -> Tensor:
        """Those of the full softmax, in training too, see `WordDistribution.log_probabilities`."""
        return super().log_probabilities(self.shared.project(embeddings))
