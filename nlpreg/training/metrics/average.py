"""The mean of numbers."""

import torch
from torch import Tensor

from nlpreg.training.metrics.metric import Metric, RatioMetric, widest


@Metric.register("average")
class Average(RatioMetric):
    """The weighted mean of the numbers it is called with; all weights are 1 by default."""

    accumulators = ("_total_value", "_count")
    _total_value: Tensor
    _count: Tensor

    def __call__(self, value: float | Tensor, weight: float | Tensor = 1.0) -> None:
        """Add one number.

        Args:
            value: a number, or a tensor of one element.
            weight: weight of the number, for instance the number of targets that `value` is the mean of.
        """
        if not isinstance(value, Tensor):
            value = torch.tensor(value, dtype=torch.float64)
        amount = widest(value).reshape(())
        if not isinstance(weight, Tensor):
            weight = torch.full((), weight, dtype=amount.dtype, device=amount.device)
        weight = weight.detach().to(amount).reshape(())
        self._add(amount * weight, weight)
