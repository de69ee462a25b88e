"""Helpers of training: small ones, and under one name those that have modules of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

import torch
from torch import Tensor

from nlpreg.training.data_setup import data_loaders_from_params, make_vocab_from_params
from nlpreg.training.gradients import clip_gradient_norm
from nlpreg.training.metric_reports import (
    HasBeenWarned,
    description_from_metrics,
    get_metrics,
    get_train_and_validation_metrics,
)
from nlpreg.training.metrics.bleu import count_ngrams
from nlpreg.training.protocols import TrainableModel
from nlpreg.training.serialization_dir import create_serialization_dir
from nlpreg.training.validation import evaluate

__all__ = [
    "HasBeenWarned",
    "create_serialization_dir",
    "data_loaders_from_params",
    "description_from_metrics",
    "enable_gradient_clipping",
    "evaluate",
    "get_batch_size",
    "get_metrics",
    "get_train_and_validation_metrics",
    "get_valid_tokens_mask",
    "make_vocab_from_params",
    "move_optimizer_to_cuda",
    "ngrams",
    "rescale_gradients",
    "str_to_time",
    "time_to_str",
]

_TIME_FORMAT = "%Y-%m-%d-%H-%M-%S"


def move_optimizer_to_cuda(optimizer: torch.optim.Optimizer) -> None:
    """Move the state of an optimizer to the devices of its parameters."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            for name, value in state.items():
                if isinstance(value, Tensor):
                    state[name] = value.to(parameter.device)


def get_batch_size(batch: Any) -> int:
    """The size of the first dimension of a tensor, or of the first tensor in a nested dictionary; 0 without any."""
    if isinstance(batch, Tensor):
        return batch.size(0) if batch.dim() else 0
    if isinstance(batch, dict) and batch:
        return get_batch_size(next(iter(batch.values())))
    return 0


def time_to_str(timestamp: float) -> str:
    """Seconds since the epoch of the clock as local time, in the form 2022-11-28-16-05-59."""
    return datetime.fromtimestamp(int(timestamp)).strftime(_TIME_FORMAT)


def str_to_time(time_str: str) -> datetime:
    """The inverse of `time_to_str`."""
    return datetime.strptime(time_str, _TIME_FORMAT)


def enable_gradient_clipping(model: TrainableModel, grad_clipping: float | None) -> None:
    """From now on clip each element of each gradient of the model to [-grad_clipping, grad_clipping], if it is given."""
    if grad_clipping is None:
        return
    limit = grad_clipping

    def clip(gradient: Tensor) -> Tensor:
        if not gradient.is_sparse:
            return gradient.clamp(-limit, limit)
        gradient = gradient.coalesce()
        values = gradient.values().clamp(-limit, limit)
        return torch.sparse_coo_tensor(
            gradient.indices(), values, gradient.shape, is_coalesced=True, check_invariants=False
        )

    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.register_hook(clip)  # type: ignore[no-untyped-call]  # torch has no annotations here


def rescale_gradients(model: TrainableModel, grad_norm: float | None = None) -> float | None:
    """Scale the gradients of a model down to a norm.

    Returns:
        The norm before; None without `grad_norm`.
    """
    if not grad_norm:
        return None
    return float(clip_gradient_norm(model.parameters(), grad_norm))


def ngrams(tensor: Tensor, ngram_size: int, exclude_indices: Collection[int]) -> Counter[tuple[int, ...]]:
    """How often each n-gram occurs in a sequence; those with an excluded id are left out.

    Args:
        tensor: ids, of shape (L,).
        ngram_size: n, at least 1.
        exclude_indices: ids such as that of the padding.
    """
    return count_ngrams(tensor.tolist(), ngram_size, frozenset(exclude_indices))


def get_valid_tokens_mask(tensor: Tensor, exclude_indices: Collection[int]) -> Tensor:
    """True where an id is not excluded; of the shape of `tensor`."""
    if not exclude_indices:
        return torch.ones_like(tensor, dtype=torch.bool)
    excluded = torch.tensor(sorted(exclude_indices), device=tensor.device, dtype=tensor.dtype)
    return ~torch.isin(tensor, excluded)
