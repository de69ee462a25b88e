"""Entropy of predicted distributions."""

import torch
from torch import Tensor

from nlpreg.training.metrics.average import Average
from nlpreg.training.metrics.metric import Metric, widest


@Metric.register("entropy")
class Entropy(Metric):
    """The mean over calls of the mean entropy, in nats, of the distributions of a batch."""

    supports_distributed = True
    accumulators = ("_mean",)

    def __init__(self) -> None:
        self._mean = Average()

    def __call__(self, logits: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            logits: unnormalized scores (..., C).
            mask: true for distributions that count (...); a call without any does not count.
        """
        log_probabilities = widest(logits).log_softmax(-1)
        entropies = -(log_probabilities.exp() * log_probabilities).nan_to_num(0.0).sum(-1)
        counted = torch.ones_like(entropies, dtype=torch.bool) if mask is None else mask.bool()
        kept = counted.sum()
        mean = entropies.where(counted, entropies.new_zeros(())).sum() / kept.clamp(min=1)
        self._mean(mean, weight=(kept > 0))

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`entropy`; 0.0 before any call."""
        return {"entropy": self._mean.get_metric(reset)}

    def reset(self) -> None:
        """Reset the metric."""
        self._mean.reset()
