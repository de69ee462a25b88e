"""The state of all metrics of a model, for checkpoints in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from nlpreg.training.metrics.metric import Metric


def named_metrics(model: nn.Module) -> Iterator[tuple[str, Metric]]:
    """Every metric that a model or one of its sub-modules holds, with its path.

    Attributes are looked at, and the values of those that are dicts, lists or tuples: `encoder._accuracy`,
    `metrics.accuracy3`. A metric held in two places comes twice.
    """
    for module_path, module in model.named_modules():
        prefix = f"{module_path}." if module_path else ""
        for name, value in vars(module).items():
            yield from _metrics_in(f"{prefix}{name}", value)


def _metrics_in(path: str, value: object) -> Iterator[tuple[str, Metric]]:
    if isinstance(value, Metric):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _metrics_in(f"{path}.{key}", item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _metrics_in(f"{path}.{index}", item)


def metrics_state_dict(model: nn.Module) -> dict[str, dict[str, Any]]:
    """What each metric of a model has gathered so far, by path; tensors and plain values."""
    return {path: metric.state_dict() for path, metric in named_metrics(model)}


def load_metrics_state_dict(model: nn.Module, state: dict[str, dict[str, Any]]) -> None:
    """Let the metrics of a model go on from `state`.

    Raises:
        ValueError: `state` is of a model with other metrics.
    """
    metrics = dict(named_metrics(model))
    if metrics.keys() != state.keys():
        raise ValueError(
            f"state of metrics: expected that of {sorted(metrics)}, got that of {sorted(state)}; "
            "it was saved by a model with other metrics"
        )
    for path, metric in metrics.items():
        metric.load_state_dict(state[path])
