"""The metrics of a run as dictionaries and as text."""

from __future__ import annotations

import logging
from typing import Any

from nlpreg.training.plain_modules import metrics_of
from nlpreg.training.protocols import MetricValues, TrainableModel

logger = logging.getLogger(__name__)


class HasBeenWarned:
    """Which warnings were given in this process."""

    tqdm_ignores_underscores = False


def get_metrics(
    model: TrainableModel,
    total_loss: float,
    total_reg_loss: float | None,
    batch_loss: float | None,
    batch_reg_loss: float | None,
    num_batches: int,
    reset: bool = False,
) -> dict[str, float]:
    """The metrics of a model, with the losses.

    Args:
        model: asked for its metrics.
        total_loss: sum of the losses.
        total_reg_loss: sum of the penalties; None for a model without one.
        batch_loss: the latest loss, if it is to be among the metrics.
        batch_reg_loss: the latest penalty, likewise.
        num_batches: number of losses in the sums.
        reset: whether the model shall start anew.

    Returns:
        The model's metrics, then `batch_loss`, `loss`, `batch_reg_loss` and `reg_loss` as far as they exist.
    """
    metrics = metrics_of(model, reset)
    if batch_loss is not None:
        metrics["batch_loss"] = batch_loss
    metrics["loss"] = total_loss / num_batches if num_batches > 0 else 0.0
    if total_reg_loss is not None:
        if batch_reg_loss is not None:
            metrics["batch_reg_loss"] = batch_reg_loss
        metrics["reg_loss"] = total_reg_loss / num_batches if num_batches > 0 else 0.0
    return metrics


def description_from_metrics(metrics: MetricValues) -> str:
    """Metrics for the front of a progress bar; names that begin with an underscore are hidden."""
    if not HasBeenWarned.tqdm_ignores_underscores and any(name.startswith("_") for name in metrics):
        HasBeenWarned.tqdm_ignores_underscores = True
        logger.warning("metrics whose names begin with '_' are not shown in progress bars")
    shown = (f"{name}: {value:.4f}" for name, value in metrics.items() if not name.startswith("_"))
    return ", ".join(shown) + " ||"


def get_train_and_validation_metrics(metrics: MetricValues) -> tuple[dict[str, Any], dict[str, Any]]:
    """The training metrics and the validation metrics of a run's metrics, without their prefixes."""
    not_of_an_epoch = ("duration", "start_epoch", "epochs")
    training = {
        name.removeprefix("training_"): value
        for name, value in metrics.items()
        if name.startswith("training_") and name.removeprefix("training_") not in not_of_an_epoch
    }
    validation = {
        name.removeprefix("validation_"): value
        for name, value in metrics.items()
        if name.startswith("validation_")
    }
    return training, validation
