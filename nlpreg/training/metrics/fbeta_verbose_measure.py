"""Precision, recall and F-score with all averages at once."""

from nlpreg.training.metrics.fbeta_measure import FBetaMeasure, Scores
from nlpreg.training.metrics.metric import Metric


@Metric.register("fbeta_verbose")
class FBetaVerboseMeasure(FBetaMeasure):
    """What `fbeta` gives for each class and for each way of averaging, as numbers under names of their own.

    Args:
        beta: how many times as important recall is as precision in the F-score, above 0.
        labels: the class ids to look at, in this order; None for all.
        index_to_label: the name of each class by its position: with `labels` in that list, otherwise the class id. A
            class without a name goes by its position.
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
            RuntimeError: there was no batch yet.
        """
        counts = self._selected_counts()
        scores = self._scores(counts)
        metrics: dict[str, float] = {}
        for position in range(counts.size(0)):
            of_class = Scores(*(score[position] for score in scores))
            metrics.update(_named(self._index_to_label.get(position, str(position)), of_class))
        metrics.update(_named("macro", scores.mean()))
        metrics.update(_named("weighted", scores.mean(counts[:, 1])))
        metrics.update(_named("micro", self._scores(counts.sum(0))))
        if reset:
            self.reset()
        return metrics


def _named(name: str, scores: Scores) -> dict[str, float]:
    return {f"{name}-{kind}": float(score) for kind, score in scores._asdict().items()}
