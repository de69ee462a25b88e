"""Sampling word classes from the log-uniform distribution, on any device and without waiting for it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


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
    """Draw until `num_samples` distinct classes were seen, and count the draws.

    The draws are seen as events of a Poisson process of rate one, so that class k first occurs at an exponential
    time of rate P(k), independent of the other classes. The distinct classes in order of occurrence are those with
    the earliest times. Until the time of the last of them, repetitions of each are a Poisson process too, so their
    number is one Poisson draw. This has the distribution of drawing one by one and takes the same few tensor operations
    whatever the number of rejected draws.

    Args:
        probabilities: (C,), sums to one, no zeros.
        num_samples: how many distinct classes, at most C.
        generator: where the randomness comes from; torch's own of that device if None.

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
    return -torch.expm1(num_tries * torch.log1p(-probabilities))
