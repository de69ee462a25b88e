"""Area under the ROC curve."""

import math

from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics.metric import Metric
from nlpreg.training.metrics.spearman_correlation import StoredPairs, average_ranks


@Metric.register("auc")
class Auc(StoredPairs):
    """The area under the ROC curve: the share of pairs in which a positive item scores above a negative one, with ties as 1/2.

    Args:
        positive_label: the gold value of positive items; all others are negative.

    Source: Hanley and McNeil (1982), The meaning and use of the area under a ROC curve (area = Mann-Whitney
    statistic).
    """

    def __init__(self, positive_label: int = 1) -> None:
        super().__init__()
        self._positive_label = positive_label

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: scores (B,).
            gold_labels: (B,), of at most two different values.
            mask: true for items that count (B,).

        Raises:
            ConfigurationError: a tensor that is not one-dimensional, more than two gold values, or gold values other
                than 0 and 1 without `positive_label` among them.
        """
        for name, tensor in (("predictions", predictions), ("gold_labels", gold_labels)):
            if tensor.dim() != 1:
                raise ConfigurationError(
                    f"{name}: expected one dimension, got the shape {tuple(tensor.shape)}"
                )
        values = set(gold_labels.tolist())
        if len(values) > 2:
            raise ConfigurationError(
                f"gold_labels: expected at most two different values, got {sorted(values)}"
            )
        if not values <= {0, 1} and self._positive_label not in values:
            raise ConfigurationError(
                f"gold_labels: the positive label {self._positive_label} is not among {sorted(values)}"
            )
        self._store(predictions, gold_labels, mask)

    def get_metric(self, reset: bool = False) -> float:
        """The area, from 0 to 1; 0.5 without items, NaN if all items are of one class."""
        scores, gold = self._all_pairs(reset)
        if scores.numel() == 0:
            return 0.5
        positive = gold == self._positive_label
        num_positive = int(positive.sum())
        num_negative = gold.numel() - num_positive
        if num_positive == 0 or num_negative == 0:
            return math.nan
        wins = float(average_ranks(scores)[positive].sum()) - num_positive * (num_positive + 1) / 2
        return wins / (num_positive * num_negative)
