"""Functions of a few lines that trainers of all kinds use."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import torch
from torch import Tensor

from nlpreg.training.gradients import clip_gradient_norm
from nlpreg.training.protocols import TrainableModel

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
