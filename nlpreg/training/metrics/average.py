"""The mean of numbers."""

import torch
from torch import Tensor

from nlpreg.training.metrics.metric import Metric, add, sum_over_ranks, widest


@Metric.register("average")
class Average(Metric):
    """The mean of the numbers it is called with, each counted once or by a weight."""

    supports_distributed = True
    accumulators = ("_total_value", "_count")
    _total_value: Tensor
    _count: Tensor

    def __init__(self) -> None:
        self.reset()

    def __call__(self, value: float | Tensor, weight: float | Tensor = 1.0) -> None:
        """Add one number.

        Args:
            value: a number, or a tensor of one element.
            weight: how much it counts, for instance the number of targets that `value` is the mean of.
        """
        if not isinstance(value, Tensor):
            value = torch.tensor(value, dtype=torch.float64)
        amount = widest(value).reshape(())
        if not isinstance(weight, Tensor):
            weight = torch.full((), weight, dtype=amount.dtype, device=amount.device)
        weight = weight.detach().to(amount).reshape(())
        self._total_value = add(self._total_value, amount * weight)
        self._count = add(self._count, weight)

    def get_metric(self, reset: bool = False) -> float:
        """The weighted mean; 0.0 before any call."""
        total, count = (float(part) for part in sum_over_ranks(self._total_value, self._count))
        if reset:
            self.reset()
        return total / count if count else 0.0

    def reset(self) -> None:
        """Forget all numbers."""
        self._total_value = torch.zeros(())
        self._count = torch.zeros(())
