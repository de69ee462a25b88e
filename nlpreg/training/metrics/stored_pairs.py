"""A base for metrics whose value depends on all numbers at once."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.training.metrics.metric import Metric, widest
from nlpreg.training.metrics.ranks import gather_over_ranks


class StoredPairs(Metric):
    """Keeps every (prediction, gold) pair whose mask is true until the next `reset`."""

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

    def _all_pairs(self) -> tuple[Tensor, Tensor]:
        """The predictions (n,) and gold numbers (n,) of all ranks, float64 on CPU."""
        own = torch.cat(self._pairs) if self._pairs else torch.zeros((0, 2), dtype=torch.float64)
        pairs = torch.cat(gather_over_ranks(own))
        return pairs[:, 0], pairs[:, 1]

    def reset(self) -> None:
        """Forget all batches."""
        self._pairs: list[Tensor] = []


def average_ranks(values: Tensor) -> Tensor:
    """The rank of each value (n,) from 1, ties sharing the mean of their ranks: float64 (n,)."""
    _, place, counts = torch.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    ranks: Tensor = (last - (counts - 1) / 2)[place]
    return ranks
