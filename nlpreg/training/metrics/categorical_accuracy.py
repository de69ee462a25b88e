"""Accuracy of classification."""

from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics.metric import Metric, RatioMetric, full


@Metric.register("categorical_accuracy")
class CategoricalAccuracy(RatioMetric):
    """The share of items whose gold class is among the `top_k` classes with the highest scores.

    Args:
        top_k: number of classes with the highest scores among which the gold class must be.
        tie_break: whether an item counts 1 / n if the gold class is one of n classes that share the highest score;
            otherwise the first of these is the predicted class. Only with `top_k` 1.

    Raises:
        ConfigurationError: `top_k` below 1, or `tie_break` with a larger `top_k` than 1.
    """

    accumulators = ("correct_count", "total_count")
    correct_count: Tensor
    total_count: Tensor

    def __init__(self, top_k: int = 1, tie_break: bool = False) -> None:
        if top_k <= 0:
            raise ConfigurationError(f"top_k: expected a number above 0, got {top_k}")
        if top_k > 1 and tie_break:
            raise ConfigurationError(f"tie_break works with top_k 1 only, got top_k {top_k}")
        self._top_k = top_k
        self._tie_break = tie_break
        self.reset()

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: scores (..., C).
            gold_labels: class ids (...).
            mask: true for items that count (...).

        Raises:
            ConfigurationError: the shapes do not fit, or a gold id is not below C (even if masked).
        """
        predictions, gold_labels = predictions.detach(), gold_labels.detach()
        if gold_labels.dim() != predictions.dim() - 1:
            raise ConfigurationError(
                f"gold_labels: expected one dimension less than predictions {tuple(predictions.shape)}, "
                f"got {tuple(gold_labels.shape)}"
            )
        num_classes = predictions.size(-1)
        predictions = predictions.reshape(-1, num_classes)  # (n, C)
        gold = gold_labels.reshape(-1).long()  # (n,)
        self._require((gold < num_classes).all(), f"a gold label lies outside of the {num_classes} classes")
        correct = self._tied(predictions, gold) if self._tie_break else self._within_top_k(predictions, gold)
        if mask is None:
            total = full(gold.numel(), gold.device)
        else:
            kept = mask.reshape(-1).bool()
            correct = correct * kept
            total = kept.sum()
        self._add(correct.sum(), total)

    def _within_top_k(self, predictions: Tensor, gold: Tensor) -> Tensor:
        if self._top_k == 1:
            return predictions.argmax(-1) == gold
        best = predictions.topk(min(self._top_k, predictions.size(-1)), dim=-1).indices  # (n, k)
        return (best == gold.unsqueeze(-1)).any(-1)

    @staticmethod
    def _tied(predictions: Tensor, gold: Tensor) -> Tensor:
        at_maximum = predictions == predictions.max(-1, keepdim=True).values  # (n, C)
        gold_is_at_maximum = at_maximum.gather(-1, gold.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        return gold_is_at_maximum.double() / at_maximum.sum(-1)
