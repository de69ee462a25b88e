"""The softmax over a vocabulary estimated from a sample of its words, as a loss.

Letters in shapes: N targets, D features, S samples, V words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.util.linear_softmax import linear_softmax_nll
from nlpreg.nn.util.numerics import tiny_value_of_dtype
from nlpreg.nn.util.sampling import expected_counts, log_uniform_probabilities, sample_without_replacement

ChoiceFunction = Callable[[int, int], tuple[Any, Any]]


def _choice(num_words: int, num_samples: int) -> tuple[NDArray[Any], int]:
    """Distinct words from the log-uniform distribution, and how many draws it took to find them.

    Args:
        num_words: words 0 to num_words - 1, ordered by falling frequency.
        num_samples: how many distinct words.
    """
    sampled, num_tries = sample_without_replacement(log_uniform_probabilities(num_words), num_samples)
    return sampled.numpy(), int(num_tries)


class SampledSoftmaxLoss(torch.nn.Module):
    """In training, a softmax over the target and some sampled words; in evaluation, the full softmax.

    The samples are drawn from the log-uniform distribution without replacement, so words should be ordered by
    falling frequency. All targets of a call share them. Each logit is lowered by the log of the chance to be drawn;
    a sample that equals a row's target is left out of that row.

    Args:
        num_words: number of classes.
        embedding_dim: width of the embeddings.
        num_samples: how many words to sample, less than `num_words`.
        sparse: gradients of the weights are sparse tensors; the optimizer must support them.
        unk_id: kept as an attribute.
        use_character_inputs: kept as an attribute.
        use_fast_sampler: not available; the sampler is fast without it.
        chunk_size: how many embeddings to treat at a time, see `linear_softmax_nll`.

    Shape:
        embeddings (N, embedding_dim), targets (N,) from 0 to num_words - 1 -> scalar, a sum over the N.

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
        self.tie_embeddings = False
        self.sparse = sparse
        self.unk_id = unk_id
        self.use_character_inputs = use_character_inputs
        self.chunk_size = chunk_size
        self.choice_func: ChoiceFunction | None = None
        """Replaces the sampler: (num_words, num_samples) -> (distinct words, number of draws)."""
        self._num_samples = num_samples

        weight = torch.randn(num_words, embedding_dim) / embedding_dim**0.5
        if sparse:
            self.softmax_w: torch.nn.Parameter | torch.nn.Embedding = torch.nn.Embedding(
                num_words, embedding_dim, sparse=True, _weight=weight
            )
            self.softmax_b: torch.nn.Parameter | torch.nn.Embedding = torch.nn.Embedding(
                num_words, 1, sparse=True, _weight=torch.zeros(num_words, 1)
            )
        else:
            self.softmax_w = torch.nn.Parameter(weight)
            self.softmax_b = torch.nn.Parameter(torch.zeros(num_words))
        self.register_buffer("_probabilities", torch.empty(0), persistent=False)
        self._probabilities: Tensor
        self.initialize_num_words()

    def initialize_num_words(self) -> None:
        """Read the number of words off the weights; to be called after they were replaced."""
        weight = self._weight()
        self._num_words = weight.size(0)
        self._probabilities = log_uniform_probabilities(self._num_words).to(weight.device)

    def _weight(self) -> Tensor:
        return self.softmax_w.weight if isinstance(self.softmax_w, torch.nn.Embedding) else self.softmax_w

    def _bias(self) -> Tensor:
        """The biases: (V,)."""
        if isinstance(self.softmax_b, torch.nn.Embedding):
            return self.softmax_b.weight.squeeze(1)
        return self.softmax_b

    def forward(
        self, embeddings: Tensor, targets: Tensor, target_token_embedding: Tensor | None = None
    ) -> Tensor:
        """The loss of the targets, summed; zero if there are none.

        Args:
            embeddings: what the words are predicted from.
            targets: the words.
            target_token_embedding: not used.
        """
        if embeddings.size(0) == 0:
            return torch.tensor(0.0, device=embeddings.device)
        if self.training:
            return self._forward_train(embeddings, targets)
        return linear_softmax_nll(
            embeddings, self._weight().t(), self._bias(), targets, chunk_size=self.chunk_size
        )

    def _forward_train(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        sampled, target_counts, sampled_counts = self.log_uniform_candidate_sampler(targets, self.choice_func)
        num_targets = targets.size(0)
        words = torch.cat([targets, sampled])
        vectors = functional.embedding(words, self._weight(), sparse=self.sparse)  # (N + S, D)
        if isinstance(self.softmax_b, torch.nn.Embedding):
            biases = self.softmax_b(words).squeeze(1)
        else:
            biases = self.softmax_b[words]
        tiny = tiny_value_of_dtype(torch.float32)
        biases = biases - (torch.cat([target_counts, sampled_counts]) + tiny).log()  # (N + S,)
        target_logits = (vectors[:num_targets] * embeddings).sum(dim=1) + biases[:num_targets]
        return linear_softmax_nll(
            embeddings,
            vectors[num_targets:].t(),
            biases[num_targets:],
            self._accidental_hits(targets, sampled),
            target_logits,
            self.chunk_size,
        )

    def _accidental_hits(self, targets: Tensor, sampled: Tensor) -> Tensor:
        """For each target its place among the samples, or -1: (N,)."""
        place = torch.full((self._num_words,), -1, dtype=torch.long, device=targets.device)
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
            words, tries = choice_func(self._num_words, self._num_samples)
            sampled = torch.as_tensor(words, dtype=torch.long, device=targets.device)
            num_tries = float(tries)
        return (
            sampled,
            expected_counts(probabilities[targets], num_tries),
            expected_counts(probabilities[sampled], num_tries),
        )
