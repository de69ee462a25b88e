"""Accuracy of whole rows."""

import math

from torch import Tensor

from nlpreg.training.metrics.metric import Metric, RatioMetric, full


@Metric.register("boolean_accuracy")
class BooleanAccuracy(RatioMetric):
    """The share of rows that equal the gold row wherever the mask is true.

    Rows whose mask is false everywhere do not count.
    """

    accumulators = ("_correct_count", "_total_count")
    _correct_count: Tensor
    _total_count: Tensor

    def __call__(self, predictions: Tensor, gold_labels: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: (B, ...).
            gold_labels: of the same shape.
            mask: true for positions that are compared, of the same shape.

        Raises:
            ValueError: the shapes differ.
        """
        predictions, gold_labels = predictions.detach(), gold_labels.detach()
        for name, tensor in (("gold_labels", gold_labels), ("mask", mask)):
            if tensor is not None and tensor.shape != predictions.shape:
                raise ValueError(
                    f"{name}: expected the shape of predictions, {tuple(predictions.shape)}, got {tuple(tensor.shape)}"
                )
        batch_size = predictions.size(0)
        width = math.prod(predictions.shape[1:])  # -1 would be ambiguous without rows
        same = (predictions == gold_labels).reshape(batch_size, width)  # (B, n)
        if mask is None:
            correct, counted = same.all(-1), full(batch_size, same.device)
        else:
            compared = mask.reshape(batch_size, width).bool()
            has_any = compared.any(-1)
            correct, counted = (same | ~compared).all(-1) & has_any, has_any.sum()
        self._add(correct.sum(), counted)
