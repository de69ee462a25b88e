"""Recall of the words of generated sequences."""

import sys

import torch
from torch import Tensor

from nlpreg.training.metrics.metric import Metric, add, full, sum_over_ranks


@Metric.register("unigram_recall")
class UnigramRecall(Metric):
    """The mean over rows of the share of gold ids that occur in any of the k predicted sequences."""

    supports_distributed = True
    accumulators = ("correct_count", "total_count")
    correct_count: Tensor
    """The recalls of all rows of this rank, added up."""
    total_count: Tensor

    def __init__(self) -> None:
        self.reset()

    def __call__(
        self,
        predictions: Tensor,
        gold_labels: Tensor,
        mask: Tensor | None = None,
        end_index: int = sys.maxsize,
    ) -> None:
        """Add one batch.

        Args:
            predictions: ids (B, k, L).
            gold_labels: ids (B, M); 0 and `end_index` are no words.
            mask: which gold ids count (B, M).
            end_index: the id that ends a sequence.
        """
        predictions, gold_labels = predictions.detach(), gold_labels.detach()
        wanted = (gold_labels != 0) & (gold_labels != end_index)  # (B, M)
        if mask is not None:
            wanted = wanted & mask.bool()
        seen = (gold_labels.unsqueeze(2) == predictions.flatten(1).unsqueeze(1)).any(-1)  # (B, M)
        recall = (seen & wanted).sum(-1).double() / wanted.sum(-1).clamp(min=1)  # (B,)
        self.correct_count = add(self.correct_count, recall.sum())
        self.total_count = add(self.total_count, full(len(recall), recall.device))

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`unigram_recall`, from 0 to 1; 0.0 when there was no row."""
        recall, total = (float(part) for part in sum_over_ranks(self.correct_count, self.total_count))
        if reset:
            self.reset()
        return {"unigram_recall": recall / total if total else 0.0}

    def reset(self) -> None:
        """Reset the metric."""
        self.correct_count = torch.zeros(())
        self.total_count = torch.zeros(())
