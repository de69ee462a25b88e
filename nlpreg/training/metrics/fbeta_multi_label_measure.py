"""Precision, recall and F-score of multi-label classification."""

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics.fbeta_measure import FBetaMeasure
from nlpreg.training.metrics.metric import Metric


@Metric.register("fbeta_multi_label")
class FBetaMultiLabelMeasure(FBetaMeasure):
    """Precision, recall and F-score of each class, or averaged, for items with any number of classes.

    A class is predicted if its score is at least the threshold; a row whose scores sum to exactly 0 predicts no class.

    Args:
        beta: importance of recall relative to precision in the F-score, above 0.
        average: None, `micro`, `macro` or `weighted`, as in `fbeta`.
        labels: the class ids to evaluate, in this order; None for all.
        threshold: smallest score of a predicted class; 0 for logits.
    """

    def __init__(
        self,
        beta: float = 1.0,
        average: str | None = None,
        labels: list[int] | None = None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(beta, average, labels)
        self._threshold = threshold

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: scores (..., C).
            gold_labels: 1 where an item has the class, otherwise 0 (..., C).
            mask: true for entries (..., C) or items (...) that count.

        Raises:
            ConfigurationError: gold labels and predictions differ in shape.
        """
        predictions, gold_labels = predictions.detach(), gold_labels.detach()
        if gold_labels.shape != predictions.shape:
            raise ConfigurationError(
                f"gold_labels: expected the shape of predictions, {tuple(predictions.shape)}, "
                f"got {tuple(gold_labels.shape)}"
            )
        if mask is None:
            mask = torch.ones_like(gold_labels, dtype=torch.bool)
        elif mask.dim() == gold_labels.dim() - 1:
            mask = mask.unsqueeze(-1)
        kept = mask.bool()  # (..., C), or (..., 1)
        predicted = (predictions >= self._threshold) & (predictions.sum(-1, keepdim=True) != 0) & kept
        gold = gold_labels.bool() & kept
        num_classes = predictions.size(-1)
        sides = (predicted & gold, gold, predicted, kept.expand_as(gold))
        self._take_in(*(side.reshape(-1, num_classes).sum(0) for side in sides))


@Metric.register("f1_multi_label")
class F1MultiLabelMeasure(FBetaMultiLabelMeasure):
    """`fbeta_multi_label` with a beta of 1.

    Args:
        average: None, `micro`, `macro` or `weighted`, as in `fbeta`.
        labels: the class ids to evaluate, in this order; None for all.
        threshold: smallest score of a predicted class; 0 for logits.
    """

    def __init__(
        self, average: str | None = None, labels: list[int] | None = None, threshold: float = 0.5
    ) -> None:
        super().__init__(1.0, average, labels, threshold)
