"""Precision, recall and F1 of one class."""

from torch import Tensor

from nlpreg.training.metrics.fbeta_measure import FBetaMeasure
from nlpreg.training.metrics.metric import Metric


@Metric.register("f1")
class F1Measure(FBetaMeasure):
    """Precision, recall and F1 of one class.

    Subclasses may read the counts of this rank: `_true_positives`, `_false_positives`, `_false_negatives` and
    `_true_negatives`.

    Args:
        positive_label: the id of the class.
    """

    def __init__(self, positive_label: int) -> None:
        super().__init__(beta=1.0)
        self._positive_label = positive_label

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`precision`, `recall` and `f1` of the class.

        Raises:
            RuntimeError: no batch was added yet.
        """
        scores = self._scores(self._selected_counts(reset)[self._positive_label])
        return dict(zip(("precision", "recall", "f1"), map(float, scores), strict=True))

    def _of_class(self, counts: Tensor | None) -> float:
        return 0.0 if counts is None else float(counts[self._positive_label])

    @property
    def _true_positives(self) -> float:
        return self._of_class(self._true_positive_sum)

    @property
    def _false_positives(self) -> float:
        return self._of_class(self._pred_sum) - self._true_positives

    @property
    def _false_negatives(self) -> float:
        return self._of_class(self._true_sum) - self._true_positives

    @property
    def _true_negatives(self) -> float:
        others = self._true_positives + self._false_positives + self._false_negatives
        return self._of_class(self._total_sum) - others
