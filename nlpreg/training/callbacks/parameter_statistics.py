"""Numbers about the parameters and activations of a model, for plots."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def parameter_statistics(model: nn.Module) -> dict[str, Tensor]:
    """Mean and deviation of each parameter with more than one value, and of its gradient."""
    scalars: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        scalars.update(_mean_and_deviation("parameter", name, parameter.detach()))
        gradient = parameter.grad
        if gradient is not None:
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            scalars.update(_mean_and_deviation("gradient", name, values))
    return scalars


def _mean_and_deviation(kind: str, name: str, values: Tensor) -> dict[str, Tensor]:
    if values.numel() == 0:
        return {}
    scalars = {f"{kind}_mean/{name}": values.mean()}
    if values.numel() > 1:
        scalars[f"{kind}_std/{name}"] = values.std()
    return scalars


def learning_rates(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """The learning rate of each parameter; 0 for frozen ones."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: float(group["lr"]) if parameter.requires_grad else 0.0
        for group in optimizer.param_groups
        if group.get("lr") is not None
        for parameter in group["params"]
        if parameter in names
    }


def activations_by_name(module: nn.Module, outputs: Any) -> dict[str, Tensor]:
    """The tensors that a module returned, under the name of its class and the index or key of each."""
    name = type(module).__name__
    if isinstance(outputs, Tensor):
        return {name: outputs.detach()}
    if isinstance(outputs, dict):
        items = [(f"{name}_{key}", value) for key, value in outputs.items()]
    elif isinstance(outputs, (list, tuple)):
        items = [(f"{name}_{index}", value) for index, value in enumerate(outputs)]
    else:
        items = []
    return {key: value.detach() for key, value in items if isinstance(value, Tensor)}
