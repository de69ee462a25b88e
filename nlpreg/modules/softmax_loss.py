"""Softmax losses over a vocabulary: the full one, and one that groups rare words into clusters."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nlpreg.common import Registrable
from nlpreg.common.checks import ConfigurationError, PositiveInt
from nlpreg.nn.operators import for_autocast
from nlpreg.nn.util.losses import linear_softmax_nll

# The log probabilities of a chunk of states are at most so many numbers.
_CHUNK_NUMBERS = 2**22


class WordDistribution(torch.nn.Module, Registrable):
    """A layer that makes a distribution over a vocabulary of each state of a language model.

    Besides the loss in training, which each class computes in its own way, it gives exact log probabilities, which
    generation and scoring need. A model that lets its config choose one passes `num_words` and `embedding_dim`, and for
    those that share the vectors of its input words (`tie_embeddings`), the `embedding`, or `text_field_embedder` and
    `vocab`.

    Shape:
        embeddings (N, embedding_dim), targets (N,) from 0 to num_words - 1, or -1 for states that do not count
        -> scalar, the negative log-likelihood of the targets, a sum over the N.
    """

    constructor_extras = frozenset(
        ["embedding", "embedding_dim", "num_words", "text_field_embedder", "vocab"]
    )
    shares_extras = False

    tie_embeddings = False

    def log_probabilities(self, embeddings: Tensor) -> Tensor:
        """The natural logarithm of the probability of every word, (N, embedding_dim) -> (N, num_words)."""
        raise NotImplementedError(f"{type(self).__name__} does not implement log_probabilities")

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


class LinearWordDistribution(WordDistribution):
    """Base of softmaxes over a score of each word that is linear in the state.

    Subclasses implement `layer` and set `chunk_size`, see `linear_softmax_nll`.
    """

    chunk_size: int | None
    half_precision = False

    def project(self, states: Tensor) -> Tensor:
        """States as wide as the word vectors, (N, D) -> (N, E); by default the states themselves."""
        return states

    def layer(self) -> tuple[Tensor, Tensor]:
        """The vectors of all words as columns (E, V), and their biases (V,)."""
        raise NotImplementedError(f"{type(self).__name__} does not implement layer")

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """The loss of the targets, summed."""
        dtype = torch.bfloat16 if self.half_precision else None
        states = self.project(embeddings)
        return linear_softmax_nll(states, *self.layer(), targets, chunk_size=self.chunk_size, dtype=dtype)

    def log_probabilities(self, embeddings: Tensor) -> Tensor:
        """See `WordDistribution.log_probabilities`."""
        weight, bias = self.layer()
        return torch.addmm(bias, self.project(embeddings), weight).log_softmax(dim=-1)


@WordDistribution.register("softmax")
class SoftmaxLoss(LinearWordDistribution):
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

    def __init__(
        self,
        num_words: PositiveInt,
        embedding_dim: PositiveInt,
        chunk_size: PositiveInt | None = None,
        half_precision: bool = False,
    ) -> None:
        super().__init__()
        self.half_precision = half_precision
        self.chunk_size = chunk_size
        self.softmax_w = torch.nn.Parameter(torch.randn(embedding_dim, num_words) / embedding_dim**0.5)
        self.softmax_b = torch.nn.Parameter(torch.zeros(num_words))

    def layer(self) -> tuple[Tensor, Tensor]:
        """See `LinearWordDistribution.layer`."""
        return self.softmax_w, self.softmax_b


@WordDistribution.register("adaptive_softmax")
class AdaptiveSoftmaxLoss(WordDistribution):
    """The summed negative log-likelihood under a softmax in clusters: frequent words first, rare words in clusters of
    fewer dimensions.

    Exact, and cheap in time and memory as long as most targets are frequent. Words are to be ordered by falling frequency,
    as the vocabulary orders them.

    Args:
        num_words: number of classes.
        embedding_dim: width of the states.
        cutoffs: where the clusters end: with [2000, 10000], words 0 to 1999 belong to the head, those up to 9999 to the first
            cluster, all others to the second. None for clusters of a tenth and of a third of the words.
        div_value: the vectors of each cluster are narrower than those of the one before by this factor.
        head_bias: whether the head adds a bias to each logit.

    Shape:
        embeddings (N, embedding_dim), targets (N,) from 0 to num_words - 1, or -1 for states that do not count
        -> scalar, a sum over the N.

    Raises:
        ConfigurationError: cutoffs that do not rise, or do not lie between 0 and `num_words`; a cluster without a
            dimension.

    Source: Grave et al. (2017), https://arxiv.org/abs/1609.04309
    """

    def __init__(
        self,
        num_words: PositiveInt,
        embedding_dim: PositiveInt,
        cutoffs: Sequence[PositiveInt] | None = None,
        div_value: float = 4.0,
        head_bias: bool = False,
    ) -> None:
        super().__init__()
        if cutoffs is None:
            cutoffs = sorted({max(1, num_words // 10), max(1, num_words // 3)})
            while len(cutoffs) > 1 and embedding_dim < div_value ** len(cutoffs):
                cutoffs.pop()
        cutoffs = list(cutoffs)
        if not cutoffs or cutoffs != sorted(set(cutoffs)) or not 0 < cutoffs[0] <= cutoffs[-1] < num_words:
            raise ConfigurationError(
                f"cutoffs: expected rising numbers between 0 and the number of words, {num_words}, got {cutoffs}"
            )
        if embedding_dim < div_value ** len(cutoffs):
            raise ConfigurationError(
                f"div_value: vectors {embedding_dim} wide leave no dimension to cluster {len(cutoffs)}, with a factor of "
                f"{div_value} for each; use a smaller factor or fewer cutoffs"
            )
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(
            embedding_dim, num_words, cutoffs, div_value=div_value, head_bias=head_bias
        )

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """The loss of the targets, summed."""
        return -self._of_targets(embeddings, targets).sum()

    def log_probabilities(self, embeddings: Tensor) -> Tensor:
        """See `WordDistribution.log_probabilities`."""
        log_probabilities: Tensor = self.softmax.log_prob(*for_autocast(embeddings))
        return log_probabilities

    @torch.no_grad()
    def target_log_probabilities(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """See `WordDistribution.target_log_probabilities`; only the clusters of the targets are computed."""
        return self._of_targets(embeddings, targets)

    def _of_targets(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Log probabilities (N,), zeros where no target is."""
        counts = targets >= 0
        if not len(targets):
            return embeddings.sum(dim=1)
        # torch's layer does not cast its input itself under autocast.
        found: Tensor = self.softmax(*for_autocast(embeddings), targets.clamp(min=0)).output
        # Sums over a batch need more digits than half precision has.
        return found.to(torch.promote_types(found.dtype, torch.float32)) * counts
