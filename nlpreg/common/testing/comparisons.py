"""Comparisons of metrics and of the parameters of two models."""

from __future__ import annotations

from typing import Any

import torch
from numpy.testing import assert_allclose

__all__ = ["assert_equal_parameters", "assert_metrics_values", "global_distributed_metric"]


def assert_metrics_values(
    metrics: dict[str, Any], desired_values: dict[str, Any], rtol: float = 0.0001, atol: float = 1e-05
) -> None:
    """Compare metrics with what they should be; values may themselves be dicts.

    Args:
        metrics: as a metric gave them.
        desired_values: what they should be; other keys of `metrics` are not looked at.
        rtol: relative tolerance.
        atol: absolute tolerance.
    """
    for key, desired in desired_values.items():
        if isinstance(desired, dict):
            for inner, value in desired.items():
                assert_allclose(metrics[key][inner], value, rtol=rtol, atol=atol, err_msg=f"{key}.{inner}")
        else:
            assert_allclose(metrics[key], desired, rtol=rtol, atol=atol, err_msg=key)


def global_distributed_metric(
    global_rank: int,
    world_size: int,
    gpu_id: int | torch.device,
    metric: Any,
    metric_kwargs: dict[str, list[Any]],
    desired_values: Any,
    exact: bool | tuple[float, float] = True,
    number_of_runs: int = 1,
) -> None:
    """Feed a metric this rank's share and compare what it gives with the value over all ranks.

    To be passed as `func` to `run_distributed_test`.

    Args:
        global_rank: this process.
        world_size: number of processes.
        gpu_id: its device.
        metric: the metric.
        metric_kwargs: argument -> its value for each rank.
        desired_values: a dict of values, or one value.
        exact: True for no tolerance, False for the usual one, or (relative, absolute).
        number_of_runs: how often the metric is fed.
    """
    arguments = {name: values[global_rank] for name, values in metric_kwargs.items()}
    for _ in range(number_of_runs):
        metric(**arguments)
    rtol, atol = exact if isinstance(exact, tuple) else (0.0, 0.0) if exact else (0.0001, 1e-05)
    metrics = metric.get_metric(False)
    if not isinstance(metrics, dict) and not isinstance(desired_values, dict):
        metrics, desired_values = {"metric": metrics}, {"metric": desired_values}
    assert_metrics_values(metrics, desired_values, rtol, atol)


def assert_equal_parameters(
    old_module: torch.nn.Module,
    new_module: torch.nn.Module,
    ignore_missing: bool = False,
    mapping: dict[str, str] | None = None,
) -> set[str]:
    """Compare every parameter of a module with the one of the same name in another.

    Args:
        old_module: where the values come from.
        new_module: whose parameters are looked at.
        ignore_missing: skip names that the old module does not have.
        mapping: text in new names -> what stands there in old names.

    Returns:
        The names that only the old module has.

    Raises:
        KeyError: the old module lacks a name.
    """
    old = dict(old_module.named_parameters())
    present = set()
    for name, parameter in new_module.named_parameters():
        for new_text, old_text in (mapping or {}).items():
            name = name.replace(new_text, old_text)
        if ignore_missing and name not in old:
            continue
        present.add(name)
        assert torch.allclose(old[name], parameter), f"{name} differs"
    return set(old) - present
