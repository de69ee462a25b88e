"""Cross entropy of label sequences.

Letters in shapes: B sequences, T timesteps, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from nlpreg.nn.util.numerics import tiny_value_of_dtype


def sequence_cross_entropy_with_logits(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    average: str | None = "batch",
    label_smoothing: float | None = None,
    gamma: float | None = None,
    alpha: float | list[float] | NDArray[Any] | Tensor | None = None,
) -> Tensor:
    """The weighted cross entropy of labels at every timestep, with optional smoothing and focusing.

    Args:
        logits: unnormalised scores.
        targets: the right classes.
        weights: the weight of each timestep; a mask will do. Sums of weights are taken before `gamma` and `alpha`.
        average: "batch" is the mean over sequences (those with any weight) of each sequence's weighted mean,
            "token" the weighted mean over all timesteps, None each sequence's weighted mean.
        label_smoothing: probability mass, from 0 to 1, spread evenly over all classes.
        gamma: exponent of the focal loss; the loss of a timestep is multiplied by `(1 - p(target)) ** gamma`.
        alpha: weight of classes. A number `a` stands for `1 - a` on class 0 and `a` on class 1.

    Shape:
        logits (B, T, C), targets (B, T), weights (B, T) -> scalar, or (B,) for `average=None`.

    Raises:
        ValueError: `average` has another value.
        TypeError: `alpha` is of another type.

    Source: Lin et al. (2017), "Focal Loss for Dense Object Detection", for `gamma` and `alpha`.
    """
    if average not in {None, "token", "batch"}:
        raise ValueError(f'average must be None, "token" or "batch", got {average!r}')
    weights = weights.to(logits.dtype)
    sequence_weights = weights.sum(dim=1)  # (B,)
    log_probs = torch.log_softmax(logits, dim=-1)
    target_log_probs = log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)  # (B, T)

    if label_smoothing:
        nll = -(1 - label_smoothing) * target_log_probs - label_smoothing * log_probs.mean(dim=-1)
    else:
        nll = -target_log_probs
    if gamma:
        weights = weights * (1.0 - target_log_probs.exp()) ** gamma
    if alpha is not None:
        weights = weights * _alpha_factor(alpha, targets, logits)

    tiny = tiny_value_of_dtype(logits.dtype)
    totals = (nll * weights).sum(dim=1)  # (B,)
    if average == "token":
        return totals.sum() / (sequence_weights.sum() + tiny)
    means = totals / (sequence_weights + tiny)
    if average is None:
        return means
    return means.sum() / ((sequence_weights > 0).sum().to(means.dtype) + tiny)


def _alpha_factor(
    alpha: float | list[float] | NDArray[Any] | Tensor, targets: Tensor, logits: Tensor
) -> Tensor:
    if isinstance(alpha, (int, float, list, numpy.ndarray, Tensor)):
        factors = torch.as_tensor(alpha, dtype=logits.dtype, device=logits.device)
    else:
        raise TypeError(f"alpha must be a number, a list, an array or a tensor, got {type(alpha).__name__}")
    if factors.dim() == 0:
        factors = torch.stack([1 - factors, factors])
        targets = targets.clamp(max=1)
    return factors[targets]
