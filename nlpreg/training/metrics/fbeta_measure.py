"""Precision, recall and F-score of classification."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics.metric import Metric, add, gather_over_ranks

_AVERAGES = ("micro", "macro", "weighted")


class Scores(NamedTuple):
    """Precision, recall and F-score, as tensors of the same shape."""

    precision: Tensor
    recall: Tensor
    fscore: Tensor

    def mean(self, weights: Tensor | None = None) -> "Scores":
        """The mean over classes, optionally weighted; 0 if all weights are 0."""
        if weights is None:
            return Scores(*(score.mean() for score in self))
        return Scores(*(divide((score * weights).sum(), weights.sum()) for score in self))


@Metric.register("fbeta")
class FBetaMeasure(Metric):
    """Precision, recall and F-score of each class, or averaged over classes.

    The class with the highest score is the predicted one; a row whose scores sum to exactly 0 predicts no class. A
    quotient with a denominator of 0 is 0.

    Args:
        beta: importance of recall relative to precision in the F-score, above 0.
        average: None for one value per class; `micro` for the sum of the counts of all classes; `macro` for the mean over
            classes; `weighted` for the mean weighted by the number of gold items of each class.
        labels: the class ids to evaluate, in this order; None for all. They are selected before averaging.

    Raises:
        ConfigurationError: an unknown `average`, a `beta` that is not above 0, or an empty list of `labels`.
    """

    supports_distributed = True
    accumulators = ("_true_positive_sum", "_true_sum", "_pred_sum", "_total_sum")

    # Counts by class, (C,), of this rank; None before the first batch. Subclasses read and change them.
    _true_positive_sum: Tensor | None
    _true_sum: Tensor | None
    """Number of items with each gold class."""
    _pred_sum: Tensor | None
    """Number of items with each predicted class."""
    _total_sum: Tensor | None
    """Number of all items, repeated for each class."""

    def __init__(
        self, beta: float = 1.0, average: str | None = None, labels: list[int] | None = None
    ) -> None:
        if average is not None and average not in _AVERAGES:
            raise ConfigurationError(f"average: expected None or one of {_AVERAGES}, got {average!r}")
        if beta <= 0:
            raise ConfigurationError(f"beta: expected a number above 0, got {beta}")
        if labels is not None and len(labels) == 0:
            raise ConfigurationError(
                "labels: expected at least one class id or None for all, got an empty list"
            )
        self._beta = beta
        self._average = average
        self._labels = labels
        self.reset()

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: scores (..., C).
            gold_labels: class ids (...).
            mask: true for items that count (...).

        Raises:
            ConfigurationError: a gold id is not below C.
        """
        predictions, gold_labels = predictions.detach(), gold_labels.detach()
        num_classes = predictions.size(-1)
        self._require(
            (gold_labels < num_classes).all(), f"a gold label lies outside of the {num_classes} classes"
        )
        gold = gold_labels.reshape(-1).long()
        predicted = predictions.argmax(-1).reshape(-1)
        kept = torch.ones_like(gold, dtype=torch.bool) if mask is None else mask.reshape(-1).bool()
        predicts = kept & (predictions.sum(-1).reshape(-1) != 0)
        self._take_in(
            _count_classes(gold, predicts & (gold == predicted), num_classes),
            _count_classes(gold, kept, num_classes),
            _count_classes(predicted, predicts, num_classes),
            kept.sum().repeat(num_classes),
        )

    def _take_in(self, true_positives: Tensor, gold: Tensor, predicted: Tensor, total: Tensor) -> None:
        """Add the counts of a batch, each (C,)."""
        counts = (true_positives, gold, predicted, total)
        for name, count in zip(self.accumulators, counts, strict=True):
            held = getattr(self, name)
            setattr(self, name, count if held is None else add(held, count))

    def _selected_counts(self, reset: bool) -> Tensor:
        """The counts of true positives, gold and predicted items of each selected class over all ranks: float64 (classes, 3)."""
        self._check_pending()
        columns = (self._true_positive_sum, self._true_sum, self._pred_sum)
        own = torch.zeros((0, 3))
        if all(column is not None for column in columns):
            own = torch.stack([column for column in columns if column is not None], dim=1)
        shares = [share for share in gather_over_ranks(own) if share.size(0) > 0]
        if not shares:
            raise RuntimeError(f"{type(self).__name__}: get_metric was called before any batch was added")
        counts = torch.stack(shares).sum(0)
        if reset:
            self.reset()
        return counts if self._labels is None else counts[self._labels]

    def _scores(self, counts: Tensor) -> Scores:
        """Precision, recall and F-score, each (...), from counts (..., 3)."""
        hits, gold, predicted = counts.unbind(-1)
        precision, recall = divide(hits, predicted), divide(hits, gold)
        beta_squared = self._beta**2
        fscore = divide((1 + beta_squared) * precision * recall, beta_squared * precision + recall)
        return Scores(precision, recall, fscore)

    def get_metric(self, reset: bool = False) -> dict[str, float] | dict[str, list[float]]:
        """`precision`, `recall` and `fscore`: lists with one value per class, or numbers if averaged.

        Raises:
            RuntimeError: no batch was added yet.
        """
        counts = self._selected_counts(reset)
        scores = self._scores(counts.sum(0) if self._average == "micro" else counts)
        if self._average == "macro":
            scores = scores.mean()
        elif self._average == "weighted":
            scores = scores.mean(counts[:, 1])
        return {name: score.tolist() for name, score in scores._asdict().items()}

    def reset(self) -> None:
        """Reset the metric."""
        self._true_positive_sum = self._true_sum = self._pred_sum = self._total_sum = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`; in version 0.1 the three counts were one tensor `_counts` (C, 3)."""
        if "_counts" in state_dict:
            true_positives, predicted, gold = state_dict["_counts"].unbind(1)
            columns = (true_positives, gold, predicted, gold.sum().expand_as(gold))
            empty = len(true_positives) == 0
            values = (None if empty else column.clone() for column in columns)
            state_dict = dict(zip(self.accumulators, values, strict=True))
        super().load_state_dict(state_dict)


def _count_classes(classes: Tensor, counted: Tensor, num_classes: int) -> Tensor:
    """The number of occurrences of each class in `classes` (n,) where `counted` (n,) is true: int64 (num_classes,)."""
    counts = torch.zeros(num_classes, dtype=torch.long, device=classes.device)
    # ids outside of the range are reported by the caller; without clamping they would crash the kernel of a GPU
    return counts.scatter_add_(0, classes.clamp(0, num_classes - 1), counted.long())


def divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """The quotient, and 0 where the denominator is 0."""
    return torch.where(denominator == 0, 0.0, numerator / denominator.where(denominator != 0, 1.0))
