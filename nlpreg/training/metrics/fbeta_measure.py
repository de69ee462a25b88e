"""Precision, recall and F-score of a choice of one class out of several."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics.metric import Metric, add, gather_over_ranks

_AVERAGES = ("micro", "macro", "weighted")


class Scores(NamedTuple):
    """Precision, recall and F-score, tensors of one shape."""

    precision: Tensor
    recall: Tensor
    fscore: Tensor

    def mean(self, weights: Tensor | None = None) -> "Scores":
        """The mean over classes, plain or weighted; 0 where all weights are 0."""
        if weights is None:
            return Scores(*(score.mean() for score in self))
        return Scores(*(divide((score * weights).sum(), weights.sum()) for score in self))


@Metric.register("fbeta")
class FBetaMeasure(Metric):
    """Precision, recall and F-score of each class, or averaged over classes.

    The class with the highest score is the predicted one; a row whose scores sum to exactly 0 predicts nothing. A
    quotient with a denominator of 0 is 0.

    Args:
        beta: how many times as important recall is as precision in the F-score, above 0.
        average: None for one value a class; `micro`, counts of all classes put together; `macro`, the mean over
            classes; `weighted`, that mean with each class weighted by how often it is the gold one.
        labels: the class ids to look at, in this order; None for all. They are selected before any averaging.

    Raises:
        ConfigurationError: an unknown `average`, a `beta` that is not above 0, or an empty list of `labels`.
    """

    supports_distributed = True
    accumulators = ("_true_positive_sum", "_true_sum", "_pred_sum", "_total_sum")

    # Counts by class, (C,), of this rank; None before the first batch. Subclasses read and change them.
    _true_positive_sum: Tensor | None
    _true_sum: Tensor | None
    """How often each class is the gold one."""
    _pred_sum: Tensor | None
    """How often each class is the predicted one."""
    _total_sum: Tensor | None
    """How many items there were, the same number for each class."""

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
            mask: which items count (...).

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

    def _selected_counts(self) -> Tensor:
        """Over all ranks and for each selected class: true positives, gold and predicted; float64 (classes, 3)."""
        self._settle()
        columns = (self._true_positive_sum, self._true_sum, self._pred_sum)
        own = torch.zeros((0, 3))
        if all(column is not None for column in columns):
            own = torch.stack([column for column in columns if column is not None], dim=1)
        shares = [share for share in gather_over_ranks(own) if share.size(0) > 0]
        if not shares:
            raise RuntimeError(
                f"{type(self).__name__} was asked for its value before it was called with a batch"
            )
        counts = torch.stack(shares).sum(0)
        return counts if self._labels is None else counts[self._labels]

    def _scores(self, counts: Tensor) -> Scores:
        """Precision, recall and F-score of counts (..., 3), each (...)."""
        hits, gold, predicted = counts.unbind(-1)
        precision, recall = divide(hits, predicted), divide(hits, gold)
        beta_squared = self._beta**2
        fscore = divide((1 + beta_squared) * precision * recall, beta_squared * precision + recall)
        return Scores(precision, recall, fscore)

    def get_metric(self, reset: bool = False) -> dict[str, float] | dict[str, list[float]]:
        """`precision`, `recall` and `fscore`: lists with one value a class, or numbers when averaged.

        Raises:
            RuntimeError: there was no batch yet.
        """
        counts = self._selected_counts()
        if self._average == "micro":
            scores = self._scores(counts.sum(0))
        else:
            scores = self._scores(counts)
        if self._average == "macro":
            scores = scores.mean()
        elif self._average == "weighted":
            scores = scores.mean(counts[:, 1])
        if reset:
            self.reset()
        return {name: score.tolist() for name, score in scores._asdict().items()}

    def reset(self) -> None:
        """Reset the metric."""
        self._true_positive_sum = self._true_sum = self._pred_sum = self._total_sum = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`; those of version 0.1 hold the three counts as one tensor `_counts` (C, 3)."""
        if "_counts" in state_dict:
            true_positives, predicted, gold = state_dict["_counts"].unbind(1)
            columns = (true_positives, gold, predicted, gold.sum().expand_as(gold))
            empty = len(true_positives) == 0
            values = (None if empty else column.clone() for column in columns)
            state_dict = dict(zip(self.accumulators, values, strict=True))
        super().load_state_dict(state_dict)


def _count_classes(classes: Tensor, counted: Tensor, num_classes: int) -> Tensor:
    """How often each class occurs in `classes` (n,) where `counted` (n,) is true: int64 (num_classes,)."""
    counts = torch.zeros(num_classes, dtype=torch.long, device=classes.device)
    # ids outside of the range are reported by the caller's check; here they must not break the device's kernel
    return counts.scatter_add_(0, classes.clamp(0, num_classes - 1), counted.long())


def divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their quotient, and 0 where the denominator is 0."""
    return torch.where(denominator == 0, 0.0, numerator / denominator.where(denominator != 0, 1.0))
