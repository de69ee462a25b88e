"""Precision, recall and F-score of a choice of one class out of several."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics.metric import Metric, add
from nlpreg.training.metrics.ranks import gather_over_ranks

AVERAGES = ("micro", "macro", "weighted")


class Scores(NamedTuple):
    """Precision, recall and F-score, tensors of one shape."""

    precision: Tensor
    recall: Tensor
    fscore: Tensor

    def mean(self, weights: Tensor | None = None) -> Scores:
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
    accumulators = ("_counts",)
    _counts: Tensor

    # rows of `_counts`
    _TRUE_POSITIVE, _PREDICTED, _GOLD = range(3)

    def __init__(
        self, beta: float = 1.0, average: str | None = None, labels: list[int] | None = None
    ) -> None:
        if average is not None and average not in AVERAGES:
            raise ConfigurationError(f"average: expected None or one of {AVERAGES}, got {average!r}")
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
        """Take in one batch.

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
        counts = torch.stack(
            [
                count_classes(gold, predicts & (gold == predicted), num_classes),
                count_classes(predicted, predicts, num_classes),
                count_classes(gold, kept, num_classes),
            ],
            dim=1,
        )  # (C, 3)
        self._take_in(counts)

    def _take_in(self, counts: Tensor) -> None:
        self._counts = counts if self._counts.size(0) == 0 else add(self._counts, counts)

    def _selected_counts(self) -> Tensor:
        """The counts of all ranks, float64 (number of selected classes, 3)."""
        self._settle()
        shares = [share for share in gather_over_ranks(self._counts) if share.size(0) > 0]
        if not shares:
            raise RuntimeError(
                f"{type(self).__name__} was asked for its value before it was called with a batch"
            )
        counts = torch.stack(shares).sum(0)
        return counts if self._labels is None else counts[self._labels]

    def _scores(self, counts: Tensor) -> Scores:
        """Precision, recall and F-score of counts (..., 3), each (...)."""
        hits = counts[..., self._TRUE_POSITIVE]
        precision = divide(hits, counts[..., self._PREDICTED])
        recall = divide(hits, counts[..., self._GOLD])
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
            scores = scores.mean(counts[:, self._GOLD])
        if reset:
            self.reset()
        return {name: score.tolist() for name, score in scores._asdict().items()}

    def reset(self) -> None:
        """Forget all batches."""
        self._counts = torch.zeros((0, 3))


def count_classes(classes: Tensor, counted: Tensor, num_classes: int) -> Tensor:
    """How often each class occurs in `classes` (n,) where `counted` (n,) is true: int64 (num_classes,)."""
    counts = torch.zeros(num_classes, dtype=torch.long, device=classes.device)
    # ids outside of the range are reported by the caller's check; here they must not break the device's kernel
    return counts.scatter_add_(0, classes.clamp(0, num_classes - 1), counted.long())


def divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their quotient, and 0 where the denominator is 0."""
    return torch.where(denominator == 0, 0.0, numerator / denominator.where(denominator != 0, 1.0))
