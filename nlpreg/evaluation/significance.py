"""Significance tests for the difference between two systems on the same data.

Letters in shapes: N instances, C counts of each instance.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
Score = Callable[[Counts], NDArray[np.float64]]
"""Computes scores (S,) from summed counts (S, C)."""


@dataclass(frozen=True)
class BootstrapResult:
    """The difference between the scores of two systems, second minus first.

    Args:
        first: score of the first system on all instances.
        second: score of the second system.
        low: lower end of the confidence interval of the difference.
        high: its upper end.
        p_value: two-sided p-value, from the fraction of resampled differences with the opposite sign, from 0 to 1.
    """

    first: float
    second: float
    low: float
    high: float
    p_value: float

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.second - self.first


def paired_bootstrap(
    first: Counts,
    second: Counts,
    score: Score,
    num_samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> BootstrapResult:
    """Paired bootstrap test: resample the instances with replacement, the same ones for both systems.

    Args:
        first: counts of each instance (N, C) of the first system, such as correct and all labels.
        second: counts of the second system (N, C), over the same instances in the same order.
        score: computes scores (S,) from summed counts (S, C).
        num_samples: number of resamples.
        confidence: level of the confidence interval, from 0 to 1.
        seed: random seed.

    Raises:
        ValueError: there are no instances, or their numbers differ.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap; for NLP, Koehn (2004),
        https://aclanthology.org/W04-3250
    """
    if len(first) != len(second) or len(first) == 0:
        raise ValueError(
            f"expected as many instances for both, and at least one, got {len(first)} and {len(second)}"
        )
    both = np.stack([first, second])  # (2, N, C)
    sums = _sums_of_resamples(both, num_samples, seed)  # (num_samples, 2, C)
    figures = score(sums.reshape(-1, sums.shape[-1])).reshape(-1, 2)
    differences = figures[:, 1] - figures[:, 0]
    whole = score(both.sum(1))  # (2,)
    low, high = _interval(differences, confidence)
    sides = min(float((differences <= 0).mean()), float((differences >= 0).mean()))
    return BootstrapResult(float(whole[0]), float(whole[1]), low, high, min(1.0, 2 * sides))


def bootstrap_interval(
    counts: Counts, score: Score, num_samples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The confidence interval of the score of one system: percentiles over resamples of the instances.

    Args:
        counts: counts of each instance (N, C), such as correct and all labels.
        score: computes scores (S,) from summed counts (S, C).
        num_samples: number of resamples.
        confidence: level of the confidence interval, from 0 to 1.
        seed: random seed.

    Raises:
        ValueError: there are no instances.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13
    """
    if len(counts) == 0:
        raise ValueError("expected at least one instance, got none")
    return _interval(score(_sums_of_resamples(counts, num_samples, seed)), confidence)


def _sums_of_resamples(counts: Counts, num_samples: int, seed: int) -> Counts:
    """The sums of counts (..., N, C) over the instances of each resample: (num_samples, ..., C)."""
    generator, size = np.random.default_rng(seed), counts.shape[-2]
    # with the number of draws of each instance instead of the instances, one resample at a time: all would take memory
    draws = (np.bincount(generator.integers(0, size, size), minlength=size) for _ in range(num_samples))
    return np.stack([times.astype(np.float64) @ counts for times in draws])


def _interval(figures: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """The percentiles of figures that enclose this share of them."""
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(figures, [tail, 100 - tail])
    return float(low), float(high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The p-value of McNemar's exact test of whether two systems are equally good.

    Args:
        only_first: number of items for which only the first system is correct.
        only_second: number of items for which only the second system is correct.

    Returns:
        The two-sided p-value of a binomial distribution with probability 1/2, from 0 to 1.

    Source: McNemar (1947), https://doi.org/10.1007/BF02295996
    """
    total = only_first + only_second
    if total == 0:
        return 1.0
    # log of C(total, k) / 2^total, because the binomial coefficients would overflow
    terms = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) - total * math.log(2)
        for k in range(min(only_first, only_second) + 1)
    ]
    largest = max(terms)
    return min(1.0, 2 * math.exp(largest) * sum(math.exp(term - largest) for term in terms))


def ratio(counts: Counts) -> NDArray[np.float64]:
    """The first count divided by the second, such as accuracy; 0.0 if the second is 0."""
    return np.divide(
        counts[..., 0], counts[..., 1], out=np.zeros(counts.shape[:-1]), where=counts[..., 1] > 0
    )


def f1(counts: Counts) -> NDArray[np.float64]:
    """F1 from numbers of correct, predicted and gold items (..., 3); 0.0 if there are none."""
    both = counts[..., 1] + counts[..., 2]
    return np.divide(2 * counts[..., 0], both, out=np.zeros(counts.shape[:-1]), where=both > 0)
