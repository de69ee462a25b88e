"""The metrics of a run as they stand after an epoch: what `metrics_epoch_*.json` holds and `train` returns."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.util import dump_metrics, format_size, peak_cpu_memory, peak_gpu_memory
from nlpreg.training.protocols import MetricValues

if TYPE_CHECKING:
    from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer

logger = logging.getLogger(__name__)

_MEBIBYTE = 1024 * 1024


def memory_metrics() -> dict[str, float]:
    """The peak memory of each process and each GPU, in MiB."""
    metrics = {}
    for worker, size in peak_cpu_memory().items():
        metrics[f"worker_{worker}_memory_MB"] = size / _MEBIBYTE
        logger.info("Worker %d memory usage: %s", worker, format_size(size))
    for gpu, size in peak_gpu_memory().items():
        metrics[f"gpu_{gpu}_memory_MB"] = size / _MEBIBYTE
        logger.info("GPU %d memory usage: %s", gpu, format_size(size))
    return metrics


def metrics_after_epoch(trainer: GradientDescentTrainer, training: MetricValues) -> dict[str, Any]:
    """All metrics of the run after an epoch.

    Args:
        trainer: whose run it is.
        training: the training metrics of the epoch, without prefix.
    """
    tracker = trainer._metric_tracker
    metrics: dict[str, Any] = {"best_epoch": tracker.best_epoch}
    for name, value in training.items():
        if name.endswith("_memory_MB"):
            peak = f"peak_{name}"
            metrics[peak] = max(value, trainer._metrics.get(peak, 0.0))
    metrics["training_duration"] = str(timedelta(seconds=trainer._clock.seconds()))
    metrics["epoch"] = trainer._epochs_completed
    for prefix, values in (
        ("training", training),
        ("validation", trainer._validation_metrics),
        ("best_validation", tracker.best_epoch_metrics),
    ):
        metrics.update({f"{prefix}_{name}": value for name, value in values.items()})
    return metrics


def metrics_without_epoch(trainer: GradientDescentTrainer) -> dict[str, Any]:
    """The metrics of a run in which no epoch was trained: those of the best one, if there was any."""
    tracker = trainer._metric_tracker
    best = {f"best_validation_{name}": value for name, value in tracker.best_epoch_metrics.items()}
    return {"best_epoch": tracker.best_epoch, **best}


def metrics_to_log(metrics: MetricValues) -> MetricValues:
    """Those metrics of an epoch that are the same whenever and wherever it is run."""
    prefixes = ("training_", "validation_", "best_validation_")
    return {
        name: value
        for name, value in metrics.items()
        if name == "best_epoch"
        or (name.startswith(prefixes) and not name.endswith("_memory_MB") and name != "training_duration")
    }


def write_metrics_of_epoch(folder: str, metrics: MetricValues) -> None:
    """Write `metrics_epoch_{n}.json`.

    Raises:
        ConfigurationError: the folder is read-only or the disk is full.
    """
    path = os.path.join(folder, f"metrics_epoch_{metrics['epoch']}.json")
    try:
        dump_metrics(path, metrics)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from error
