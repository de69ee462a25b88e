"""Covariance of two streams of numbers."""

from functools import reduce

import torch
from torch import Tensor

from nlpreg.training.metrics.metric import Metric, gather_over_ranks, widest


@Metric.register("covariance")
class Covariance(Metric):
    """The unbiased covariance of predicted and gold numbers, without storing the numbers.

    Source: Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance, eq. 2.1 (merging the moments of
    two groups).
    """

    supports_distributed = True
    accumulators = ("_moments",)
    _moments: Tensor

    def __init__(self) -> None:
        self.reset()

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: numbers, of any shape.
            gold_labels: numbers, of the same shape.
            mask: true for numbers that count, of the same shape.
        """
        x, y = widest(predictions).reshape(-1), widest(gold_labels).reshape(-1)
        moments = moments_of(x, y, None if mask is None else mask.reshape(-1).bool())
        self._moments = merged(self._moments.to(moments), moments)

    def _all_moments(self, reset: bool) -> tuple[float, float, float, float]:
        """Over all ranks: the count, and the sums of dx * dx, dy * dy and dx * dy, where d is the deviation from the mean."""
        shares = gather_over_ranks(self._moments.unsqueeze(0))
        n, _, _, xx, yy, xy = reduce(merged, [share[0] for share in shares]).tolist()
        if reset:
            self.reset()
        return n, xx, yy, xy

    def get_metric(self, reset: bool = False) -> float:
        """The covariance; 0.0 for fewer than two numbers."""
        n, _, _, xy = self._all_moments(reset)
        return xy / (n - 1) if n > 1 else 0.0

    def reset(self) -> None:
        """Reset the metric."""
        self._moments = torch.zeros(6)


def moments_of(x: Tensor, y: Tensor, mask: Tensor | None = None) -> Tensor:
    """The count, both means, and the sums of dx * dx, dy * dy and dx * dy of numbers (n,), as a tensor (6,)."""
    if mask is None:
        mask = torch.ones_like(x, dtype=torch.bool)
    zero = x.new_zeros(())
    n = mask.sum().to(x.dtype)
    mean_x, mean_y = (v.where(mask, zero).sum() / n.clamp(min=1) for v in (x, y))
    dx, dy = (x - mean_x).where(mask, zero), (y - mean_y).where(mask, zero)
    return torch.stack([n, mean_x, mean_y, (dx * dx).sum(), (dy * dy).sum(), (dx * dy).sum()])


def merged(a: Tensor, b: Tensor) -> Tensor:
    """The moments (6,) of the union of two groups of numbers."""
    n = a[0] + b[0]
    delta = b[1:3] - a[1:3]  # (2,)
    share_of_b = b[0] / n.clamp(min=1)
    means = a[1:3] + delta * share_of_b
    between = torch.stack([delta[0] * delta[0], delta[1] * delta[1], delta[0] * delta[1]])
    return torch.cat([n.unsqueeze(0), means, a[3:] + b[3:] + between * a[0] * share_of_b])
