"""Mean absolute error of predicted numbers."""

import math

import torch
from torch import Tensor

from nlpreg.training.metrics.metric import Metric, add, full, sum_over_ranks, widest


@Metric.register("mean_absolute_error")
class MeanAbsoluteError(Metric):
    """The mean distance of predicted numbers from gold numbers."""

    supports_distributed = True
    accumulators = ("_absolute_error", "_total_count")
    _absolute_error: Tensor
    _total_count: Tensor

    def __init__(self) -> None:
        self.reset()

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: numbers, of any shape.
            gold_labels: numbers, of the same shape.
            mask: which of them count, of the same shape.
        """
        errors = (widest(predictions) - widest(gold_labels)).abs()
        if mask is None:
            total = full(errors.numel(), errors.device)
        else:
            mask = mask.bool()
            errors = errors.where(mask, errors.new_zeros(()))
            total = mask.sum()
        self._absolute_error = add(self._absolute_error, errors.sum())
        self._total_count = add(self._total_count, total)

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`mae`; NaN over no numbers, which is never the best of a run."""
        error, total = (float(part) for part in sum_over_ranks(self._absolute_error, self._total_count))
        if reset:
            self.reset()
        return {"mae": error / total if total else math.nan}

    def reset(self) -> None:
        """Reset the metric."""
        self._absolute_error = torch.zeros(())
        self._total_count = torch.zeros(())
