"""Spearman's rank correlation of numbers."""

from __future__ import annotations

import math

from torch import Tensor

from nlpreg.training.metrics.covariance import moments_of
from nlpreg.training.metrics.metric import Metric
from nlpreg.training.metrics.stored_pairs import StoredPairs, average_ranks


@Metric.register("spearman_correlation")
class SpearmanCorrelation(StoredPairs):
    """Spearman's rank correlation coefficient of predicted and gold numbers; all numbers are kept.

    Masked numbers take no part.
    """

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Take in one batch.

        Args:
            predictions: numbers, of any shape.
            gold_labels: numbers, of the same shape.
            mask: which of them count, of the same shape.
        """
        self._store(predictions, gold_labels, mask)

    def get_metric(self, reset: bool = False) -> float:
        """The coefficient, from -1 to 1; NaN where it is not defined (fewer than two numbers, or all equal)."""
        predictions, gold = self._all_pairs()
        if reset:
            self.reset()
        _, _, _, xx, yy, xy = moments_of(average_ranks(predictions), average_ranks(gold)).tolist()
        return xy / math.sqrt(xx * yy) if xx * yy > 0 else math.nan
