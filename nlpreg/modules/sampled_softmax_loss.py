"""The softmax over a vocabulary, estimated from a sample of its words and used as a loss.

Letters in shapes: N targets, D features, S samples, V words.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.softmax_loss import LinearWordDistribution, WordDistribution
from nlpreg.nn.util.losses import linear_softmax_nll
from nlpreg.nn.util.masks import tiny_value_of_dtype


def log_uniform_probabilities(num_classes: int, device: torch.device | None = None) -> Tensor:
    """The log-uniform (Zipf-like) distribution over classes ordered by falling frequency.

    `P(k) = log((k + 2) / (k + 1)) / log(num_classes + 1)`.

    Shape:
        -> float32 (num_classes,).
    """
    ranks = torch.arange(num_classes, dtype=torch.float64, device=device)
    return (torch.log1p(1 / (ranks + 1)) / math.log(num_classes + 1)).float()


def sample_without_replacement(
    probabilities: Tensor, num_samples: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw until `num_samples` distinct classes have occurred, and count the draws.

    The draws are seen as events of a Poisson process of rate one, so that class k first occurs at an exponential
    time of rate P(k), independent of the other classes. The distinct classes in order of occurrence are those with
    the earliest times. Until the time of the last of them, repetitions of each are a Poisson process too, so their
    number is one Poisson draw. This has the distribution of drawing one by one and takes the same few tensor operations
    whatever the number of rejected draws.

    Args:
        probabilities: (C,), sums to one, no zeros.
        num_samples: how many distinct classes, at most C.
        generator: generator of random numbers; torch's default generator of the device if None.

    Returns:
        The classes, int64 (num_samples,), in order of first occurrence; the number of draws, float 0-d.
    """
    times = torch.empty_like(probabilities).exponential_(generator=generator) / probabilities
    first_times, classes = times.topk(num_samples, largest=False, sorted=True)
    waiting = (first_times[-1] - first_times).clamp(min=0)
    num_repeated = torch.poisson((probabilities[classes] * waiting).sum(), generator=generator)
    return classes, num_repeated + num_samples


def expected_counts(probabilities: Tensor, num_tries: Tensor | float) -> Tensor:
    """The probability that each class is among the samples: `1 - (1 - P) ** num_tries`, exact for small P too."""
    return torch.log1p(-probabilities).mul_(num_tries).expm1_().neg_()


_CERTAIN = 10000.0
"""A logit so far above all others that its class has a probability of one, to the last digit."""

ChoiceFunction = Callable[[int, int], tuple[Any, Any]]


def _choice(num_words: int, num_samples: int) -> tuple[NDArray[Any], int]:
    """Distinct words from the log-uniform distribution, and how many draws it took to find them.

    Args:
        num_words: words 0 to num_words - 1, ordered by falling frequency.
        num_samples: how many distinct words.
    """
    sampled, num_tries = sample_without_replacement(log_uniform_probabilities(num_words), num_samples)
    return sampled.numpy(), int(num_tries)


@dataclass
class _Sample:
    """The sample of a group of targets.

    Args:
        words: the targets and then the samples, (N + S,).
        log_counts: log of the expected count of each, (N + S,).
        hits: for each target its place among the samples, or -1, (N,).
    """

    words: Tensor
    log_counts: Tensor
    hits: Tensor


@WordDistribution.register("sampled_softmax")
class SampledSoftmaxLoss(LinearWordDistribution):
    """In training, a softmax over the target and some sampled words; in evaluation, the full softmax.

    The samples are drawn from the log-uniform distribution without replacement, so words should be ordered by
    falling frequency. All targets of a call share them. Each logit is lowered by the log of its expected count;
    a sample that equals a row's target is left out of that row.

    Args:
        num_words: number of classes.
        embedding_dim: width of the embeddings.
        num_samples: how many words to sample, less than `num_words`.
        sparse: gradients of the weights are sparse tensors; the optimizer must support them.
        unk_id: stored as an attribute.
        use_character_inputs: stored as an attribute.
        use_fast_sampler: not available; the sampler is fast without it.
        chunk_size: how many embeddings to treat at a time, see `linear_softmax_nll`.

    Shape:
        embeddings (N, embedding_dim), targets (N,) from 0 to num_words - 1, or -1 for embeddings that do not count
        -> scalar, a sum over the N.

    Raises:
        ConfigurationError: `use_fast_sampler` is set.
        AssertionError: there are not fewer samples than words.

    Source: Jean et al. (2015), https://arxiv.org/abs/1412.2007
    """

    def __init__(
        self,
        num_words: int,
        embedding_dim: int,
        num_samples: int,
        sparse: bool = False,
        unk_id: int | None = None,
        use_character_inputs: bool = True,
        use_fast_sampler: bool = False,
        chunk_size: int | None = None,
    ) -> None:
        super().__init__()
        assert num_samples < num_words, (
            f"num_samples ({num_samples}) must be less than num_words ({num_words})"
        )
        if use_fast_sampler:
            raise ConfigurationError("SampledSoftmaxLoss: use_fast_sampler is not available; leave it out")
        self.sparse = sparse
        self.unk_id = unk_id
        self.use_character_inputs = use_character_inputs
        self.chunk_size = chunk_size
        self.choice_func: ChoiceFunction | None = None
        """Replaces the sampler: (num_words, num_samples) -> (distinct words, number of draws)."""
        self._num_samples = num_samples

        self._make_weights(num_words, embedding_dim)
        self.register_buffer("_probabilities", log_uniform_probabilities(num_words), persistent=False)
        self._probabilities: Tensor

    def _make_weights(self, num_words: int, embedding_dim: int) -> None:
        vectors = torch.randn(num_words, embedding_dim) / embedding_dim**0.5
        biases = torch.zeros(num_words)
        self.softmax_w: Any
        self.softmax_b: Any
        if self.sparse:
            self.softmax_w = torch.nn.Embedding(num_words, embedding_dim, sparse=True, _weight=vectors)
            self.softmax_b = torch.nn.Embedding(num_words, 1, sparse=True, _weight=biases.unsqueeze(1))
        else:
            self.softmax_w, self.softmax_b = torch.nn.Parameter(vectors), torch.nn.Parameter(biases)

    def initialize_num_words(self) -> None:
        """Set the number of words from the weights; to be called after these were replaced."""
        weight, _ = self.layer()
        self._probabilities = log_uniform_probabilities(weight.size(1)).to(weight.device)

    def layer(self) -> tuple[Tensor, Tensor]:
        """See `LinearWordDistribution.layer`."""
        if self.sparse:
            return self.softmax_w.weight.t(), self.softmax_b.weight.squeeze(1)
        return self.softmax_w.t(), self.softmax_b

    def rows_of(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors and the biases of some words, (n,) -> (n, E) and (n,)."""
        if self.sparse:
            return self.softmax_w(words), self.softmax_b(words).squeeze(1)
        # of which the backward pass is faster than that of an embedding on the CPU
        return self.softmax_w.index_select(0, words), self.softmax_b.index_select(0, words)

    def forward(
        self, embeddings: Tensor, targets: Tensor, target_token_embedding: Tensor | None = None
    ) -> Tensor:
        """The loss of the targets, summed; zero if there are none.

        Args:
            embeddings: what the words are predicted from.
            targets: the words.
            target_token_embedding: not used.
        """
        return self.losses([(embeddings, targets)])[0]

    def losses(self, groups: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """The losses of several groups of embeddings and targets, each with its own samples.

        The weights are looked up for all groups at once, so their gradient, as large as all of them, is made only once.
        """
        if not self.training:
            layer = self.layer()
            return [
                linear_softmax_nll(self.project(states), *layer, targets, chunk_size=self.chunk_size)
                for states, targets in groups
            ]
        sampled = [self._sample(targets) for _, targets in groups]
        sizes = [part.words.size(0) for part in sampled]
        vectors, biases = self.rows_of(torch.cat([part.words for part in sampled]))
        parts = zip(groups, sampled, torch.split(vectors, sizes), torch.split(biases, sizes), strict=True)
        return [
            self._loss(self.project(states), targets, sample, own, bias)
            for (states, targets), sample, own, bias in parts
        ]

    def _sample(self, targets: Tensor) -> _Sample:
        known = targets.clamp(min=0)
        samples, target_counts, sampled_counts = self.log_uniform_candidate_sampler(known, self.choice_func)
        counts = torch.cat([target_counts, sampled_counts])
        return _Sample(
            words=torch.cat([known, samples]),
            log_counts=counts.add_(tiny_value_of_dtype(torch.float32)).log_(),
            hits=self._accidental_hits(known, samples),
        )

    def _loss(
        self, embeddings: Tensor, targets: Tensor, sample: _Sample, vectors: Tensor, biases: Tensor
    ) -> Tensor:
        """The loss of one group from the weights of its words, (N + S, D) and (N + S,)."""
        if embeddings.size(0) == 0:
            return torch.tensor(0.0, device=embeddings.device)
        sizes = [targets.size(0), vectors.size(0) - targets.size(0)]
        # with the correction for sampling
        target_biases, sampled_biases = torch.split(biases - sample.log_counts, sizes)  # (N,), (S,)
        target_vectors, sampled_vectors = torch.split(vectors, sizes)  # (N, D), (S, D)
        target_logits = (target_vectors * embeddings).sum(dim=1) + target_biases  # (N,)
        return linear_softmax_nll(
            embeddings,
            sampled_vectors.t(),
            sampled_biases,
            sample.hits,
            # Where the target is certain, loss and gradients are zero.
            target_logits.masked_fill(targets < 0, _CERTAIN),
            self.chunk_size,
        )

    def _accidental_hits(self, targets: Tensor, sampled: Tensor) -> Tensor:
        """For each target its place among the samples, or -1: (N,)."""
        # (V,)
        place = torch.full((len(self._probabilities),), -1, dtype=torch.long, device=targets.device)
        place[sampled] = torch.arange(sampled.size(0), device=targets.device)
        return place[targets]

    def log_uniform_candidate_sampler(
        self, targets: Tensor, choice_func: ChoiceFunction | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sample words, on the device of the targets.

        Args:
            targets: the words whose expected counts are wanted.
            choice_func: replaces the sampler: (num_words, num_samples) -> (distinct words, number of draws).

        Shape:
            targets (N,) -> samples (S,), expected counts of the targets (N,) and of the samples (S,).
        """
        probabilities = self._probabilities
        num_tries: Tensor | float
        if choice_func is None:
            sampled, num_tries = sample_without_replacement(probabilities, self._num_samples)
        else:
            words, tries = choice_func(len(self._probabilities), self._num_samples)
            sampled = torch.as_tensor(words, dtype=torch.long, device=targets.device)
            num_tries = float(tries)
        counts = expected_counts(probabilities[torch.cat([targets, sampled])], num_tries)
        target_counts, sampled_counts = torch.split(counts, [targets.size(0), sampled.size(0)])
        return sampled, target_counts, sampled_counts
