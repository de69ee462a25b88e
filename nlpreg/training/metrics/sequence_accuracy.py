"""Accuracy of generated sequences."""

from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics.metric import Metric, RatioMetric, full


@Metric.register("sequence_accuracy")
class SequenceAccuracy(RatioMetric):
    """The share of rows in which one of the k predicted sequences equals the gold sequence wherever the mask is true."""

    accumulators = ("correct_count", "total_count")
    correct_count: Tensor
    total_count: Tensor

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: ids (B, k, L).
            gold_labels: ids (B, L).
            mask: true for positions that are compared (B, L).

        Raises:
            ConfigurationError: the shapes do not fit.
        """
        predictions, gold_labels = predictions.detach(), gold_labels.detach()
        if gold_labels.dim() != predictions.dim() - 1:
            raise ConfigurationError(
                f"gold_labels: expected one dimension less than predictions {tuple(predictions.shape)}, "
                f"got {tuple(gold_labels.shape)}"
            )
        if mask is not None and mask.shape != gold_labels.shape:
            raise ConfigurationError(
                f"mask: expected the shape of gold_labels, {tuple(gold_labels.shape)}, got {tuple(mask.shape)}"
            )
        same = predictions == gold_labels.unsqueeze(1)  # (B, k, L)
        if mask is not None:
            same = same | ~mask.bool().unsqueeze(1)
        correct = same.all(-1).any(-1)  # (B,)
        self._add(correct.sum(), full(correct.numel(), correct.device))

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`accuracy`, from 0 to 1; 0.0 without rows."""
        return {"accuracy": self._ratio(reset)}
