"""Precision, recall and F-score of each class, together with all averages."""

from nlpreg.training.metrics.fbeta_measure import FBetaMeasure, Scores
from nlpreg.training.metrics.metric import Metric


@Metric.register("fbeta_verbose")
class FBetaVerboseMeasure(FBetaMeasure):
    """The scores of `fbeta` for each class and for each average, as separate metrics.

    Args:
        beta: importance of recall relative to precision in the F-score, above 0.
        labels: the class ids to evaluate, in this order; None for all.
        index_to_label: the names of the classes by their positions in `labels`, or by class id without `labels`. Classes
            without a name are named after their position.
    """

    def __init__(
        self,
        beta: float = 1.0,
        labels: list[int] | None = None,
        index_to_label: dict[int, str] | None = None,
    ) -> None:
        super().__init__(beta=beta, average=None, labels=labels)
        self._index_to_label = index_to_label or {}

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`<class>-precision`, `<class>-recall`, `<class>-fscore`; then the same with `macro`, `weighted`, `micro`.

        Raises:
            RuntimeError: no batch was added yet.
        """
        counts = self._selected_counts(reset)
        scores = self._scores(counts)
        metrics: dict[str, float] = {}
        for position in range(counts.size(0)):
            of_class = Scores(*(score[position] for score in scores))
            metrics.update(_named(self._index_to_label.get(position, str(position)), of_class))
        metrics.update(_named("macro", scores.mean()))
        metrics.update(_named("weighted", scores.mean(counts[:, 1])))
        metrics.update(_named("micro", self._scores(counts.sum(0))))
        return metrics


def _named(name: str, scores: Scores) -> dict[str, float]:
    return {f"{name}-{kind}": float(score) for kind, score in scores._asdict().items()}
