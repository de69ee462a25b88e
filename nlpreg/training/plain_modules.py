"""Models that are no `Model`: any torch module whose forward pass returns a loss can be trained."""

from __future__ import annotations

from typing import Any

from torch import Tensor

__all__ = ["metrics_of", "penalty_of"]


def metrics_of(model: Any, reset: bool = False) -> dict[str, Any]:
    """The metrics of a model; none if it has no `get_metrics`.

    Args:
        model: the model.
        reset: also forget the batches that they are of.
    """
    get_metrics = getattr(model, "get_metrics", None)
    metrics: dict[str, Any] = {} if get_metrics is None else get_metrics(reset=reset)
    return metrics


def penalty_of(model: Any) -> Tensor | None:
    """What a model adds to the loss in training, a 0-d tensor; None if it has no `get_regularization_penalty`."""
    get_penalty = getattr(model, "get_regularization_penalty", None)
    penalty: Tensor | None = None if get_penalty is None else get_penalty()
    return penalty
