"""Precision, recall and F1 of one class."""

from __future__ import annotations

from torch import Tensor

from nlpreg.training.metrics.fbeta_measure import FBetaMeasure
from nlpreg.training.metrics.metric import Metric


@Metric.register("f1")
class F1Measure(FBetaMeasure):
    """Precision, recall and F1 of one class.

    Args:
        positive_label: the id of that class.
    """

    def __init__(self, positive_label: int) -> None:
        super().__init__(beta=1.0)
        self._positive_label = positive_label

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`precision`, `recall` and `f1` of the class.

        Raises:
            RuntimeError: there was no batch yet.
        """
        scores = self._scores(self._selected_counts()[self._positive_label])
        if reset:
            self.reset()
        return {
            "precision": float(scores.precision),
            "recall": float(scores.recall),
            "f1": float(scores.fscore),
        }

    def _count_of_class(self, row: int) -> float:
        return float(self._counts[self._positive_label, row]) if self._has_counts else 0.0

    @property
    def _has_counts(self) -> bool:
        return self._counts.size(0) > 0

    @property
    def _true_positives(self) -> float:
        return self._count_of_class(self._TRUE_POSITIVE)

    @property
    def _false_positives(self) -> float:
        return self._count_of_class(self._PREDICTED) - self._true_positives

    @property
    def _false_negatives(self) -> float:
        return self._count_of_class(self._GOLD) - self._true_positives

    @property
    def _true_negatives(self) -> float:
        total: Tensor = self._counts[:, self._GOLD].sum()
        return float(total) - self._true_positives - self._false_positives - self._false_negatives
