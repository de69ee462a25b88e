"""Mean absolute error of predicted numbers."""

import math

from torch import Tensor

from nlpreg.training.metrics.metric import Metric, RatioMetric, full, widest


@Metric.register("mean_absolute_error")
class MeanAbsoluteError(RatioMetric):
    """The mean absolute difference between predicted and gold numbers."""

    accumulators = ("_absolute_error", "_total_count")
    _absolute_error: Tensor
    _total_count: Tensor

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: numbers, of any shape.
            gold_labels: numbers, of the same shape.
            mask: true for numbers that count, of the same shape.
        """
        errors = (widest(predictions) - widest(gold_labels)).abs()
        if mask is None:
            total = full(errors.numel(), errors.device)
        else:
            mask = mask.bool()
            errors = errors.where(mask, errors.new_zeros(()))
            total = mask.sum()
        self._add(errors.sum(), total)

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`mae`; NaN without numbers, so that it is never the best value of a run."""
        return {"mae": self._ratio(reset, default=math.nan)}
