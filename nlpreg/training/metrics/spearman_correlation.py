"""Spearman's rank correlation, with stored pairs and average ranks for other rank metrics."""

import math

import torch
from torch import Tensor

from nlpreg.training.metrics.covariance import moments_of
from nlpreg.training.metrics.metric import Metric, gather_over_ranks, widest


class StoredPairs(Metric):
    """Stores every pair of prediction and gold value until the next `reset`."""

    supports_distributed = True
    accumulators = ("_pairs",)

    def __init__(self) -> None:
        self.reset()

    def _store(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None) -> None:
        pairs = torch.stack(
            [widest(predictions).reshape(-1), widest(gold_labels).reshape(-1)], dim=1
        )  # (n, 2)
        if mask is not None:
            pairs = pairs[mask.reshape(-1).bool()]
        self._pairs.append(pairs)

    def _all_pairs(self, reset: bool) -> tuple[Tensor, Tensor]:
        """The predictions (n,) and gold numbers (n,) of all ranks, float64 on CPU."""
        own = torch.cat(self._pairs) if self._pairs else torch.zeros((0, 2), dtype=torch.float64)
        pairs = torch.cat(gather_over_ranks(own))
        if reset:
            self.reset()
        return pairs[:, 0], pairs[:, 1]

    def reset(self) -> None:
        """Reset the metric."""
        self._pairs: list[Tensor] = []


def average_ranks(values: Tensor) -> Tensor:
    """The rank of each value (n,) from 1; equal values have the mean of their ranks: float64 (n,)."""
    _, index, counts = torch.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    ranks: Tensor = (last - (counts - 1) / 2)[index]
    return ranks


@Metric.register("spearman_correlation")
class SpearmanCorrelation(StoredPairs):
    """Spearman's rank correlation coefficient of predicted and gold numbers; all numbers are stored.

    As in AllenNLP, a masked pair counts as two zeros; to exclude pairs, index the tensors.
    """

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: numbers, of any shape.
            gold_labels: numbers, of the same shape.
            mask: false for pairs that count as two zeros, of the same shape.
        """
        if mask is not None:
            masked = ~mask.bool()
            predictions, gold_labels = predictions.masked_fill(masked, 0), gold_labels.masked_fill(masked, 0)
        self._store(predictions, gold_labels, None)

    def get_metric(self, reset: bool = False) -> float:
        """The coefficient, from -1 to 1; NaN where it is undefined (fewer than two numbers, or all equal)."""
        predictions, gold = self._all_pairs(reset)
        _, _, _, xx, yy, xy = moments_of(average_ranks(predictions), average_ranks(gold)).tolist()
        return xy / math.sqrt(xx * yy) if xx * yy > 0 else math.nan
