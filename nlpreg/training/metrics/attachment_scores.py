"""Attachment scores of dependency parsers."""

import torch
from torch import Tensor

from nlpreg.training.metrics.metric import Metric, add, full


@Metric.register("attachment_scores")
class AttachmentScores(Metric):
    """The share of words with the correct head (UAS), of words with the correct head and label (LAS), and of sentences
    in which these are correct for all words (UEM, LEM).

    Args:
        ignore_classes: gold label ids whose words are excluded, such as that of punctuation.
    """

    supports_distributed = True
    accumulators = ("_counts",)
    _counts: Tensor

    def __init__(self, ignore_classes: list[int] | None = None) -> None:
        self._ignore_classes = ignore_classes or []
        self.reset()

    def __call__(
        self,
        predicted_indices: Tensor,
        predicted_labels: Tensor,
        gold_indices: Tensor,
        gold_labels: Tensor,
        mask: Tensor | None = None,
    ) -> None:
        """Add one batch.

        Args:
            predicted_indices: positions of the heads (B, L).
            predicted_labels: label ids (B, L).
            gold_indices: positions of the gold heads (B, L).
            gold_labels: gold label ids (B, L).
            mask: true for words (B, L).
        """
        gold_labels = gold_labels.detach()
        kept = torch.ones_like(gold_labels, dtype=torch.bool) if mask is None else mask.bool()
        for label in self._ignore_classes:
            kept = kept & (gold_labels != label)
        right_head = predicted_indices.detach() == gold_indices.detach()  # (B, L)
        right = right_head & (predicted_labels.detach() == gold_labels)
        words = [(right_head & kept).sum(), (right & kept).sum(), kept.sum()]
        sentences = [(right_head | ~kept).all(-1).sum(), (right | ~kept).all(-1).sum()]
        num_sentences = full(kept.size(0), kept.device)
        self._counts = add(self._counts, torch.stack([*words, *sentences, num_sentences]))

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`UAS`, `LAS`, `UEM` and `LEM`, from 0 to 1; 0.0 without any word."""
        (counts,) = self._totals(reset)
        unlabeled, labeled, words, exact_unlabeled, exact_labeled, sentences = counts.tolist()
        return {
            "UAS": unlabeled / words if words else 0.0,
            "LAS": labeled / words if words else 0.0,
            "UEM": exact_unlabeled / sentences if sentences else 0.0,
            "LEM": exact_labeled / sentences if sentences else 0.0,
        }

    def reset(self) -> None:
        """Reset the metric."""
        self._counts = torch.zeros(6)
