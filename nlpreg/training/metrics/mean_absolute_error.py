"""Mean absolute error of predicted numbers."""

import math

from torch import Tensor

from nlpreg.training.metrics.metric import Metric, RatioMetric, full, widest


@Metric.register("mean_absolute_error")
class MeanAbsoluteError(RatioMetric):
    """The mean distance of predicted numbers from gold numbers."""

    accumulators = ("_absolute_error", "_total_count")
    _absolute_error: Tensor
    _total_count: Tensor

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
        self._add(errors.sum(), total)

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`mae`; NaN over no numbers, which is never the best of a run."""
        return {"mae": self._ratio(reset, of_nothing=math.nan)}
