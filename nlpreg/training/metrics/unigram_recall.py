"""Recall of the words of generated sequences."""

import sys

from torch import Tensor

from nlpreg.training.metrics.metric import Metric, RatioMetric, full


@Metric.register("unigram_recall")
class UnigramRecall(RatioMetric):
    """The mean over rows of the share of gold ids that occur in any of the k predicted sequences."""

    accumulators = ("correct_count", "total_count")
    correct_count: Tensor
    """Sum of the recalls of all rows of this rank."""
    total_count: Tensor

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
            gold_labels: ids (B, M); 0 and `end_index` are not words.
            mask: true for gold ids that count (B, M).
            end_index: the id of the end of a sequence.
        """
        predictions, gold_labels = predictions.detach(), gold_labels.detach()
        wanted = (gold_labels != 0) & (gold_labels != end_index)  # (B, M)
        if mask is not None:
            wanted = wanted & mask.bool()
        seen = (gold_labels.unsqueeze(2) == predictions.flatten(1).unsqueeze(1)).any(-1)  # (B, M)
        recall = (seen & wanted).sum(-1).double() / wanted.sum(-1).clamp(min=1)  # (B,)
        self._add(recall.sum(), full(len(recall), recall.device))

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`unigram_recall`, from 0 to 1; 0.0 without rows."""
        return {"unigram_recall": self._ratio(reset)}
