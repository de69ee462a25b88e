"""What a run reports while it is going on: metrics as dictionaries and text, the progress bar, the times of a step."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Protocol

from nlpreg.common import Tqdm
from nlpreg.training.protocols import MetricValues, TrainableModel, metrics_of

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
    num_batches: float,
    reset: bool = False,
) -> dict[str, float]:
    """The metrics of a model, with the losses.

    Args:
        model: asked for its metrics.
        total_loss: sum of the losses, each times its weight.
        total_reg_loss: sum of the penalties, likewise; None for a model without one.
        batch_loss: the latest loss, if it is to be among the metrics.
        batch_reg_loss: the latest penalty, likewise.
        num_batches: number of losses in the sums, or the sum of their weights.
        reset: whether to reset the model's metrics.

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


_SECONDS_BETWEEN_METRICS = 0.5


class ProgressBar:
    """A bar with the metrics of the epoch so far.

    Args:
        total: number of steps; None if it is unknown.
        done: number of steps done before, in a resumed epoch.
        name: what the steps are, as in "training".
        is_shown: whether this process shows a bar at all.
    """

    def __init__(self, total: int | None, done: int, name: str, is_shown: bool) -> None:
        self._bar = Tqdm.tqdm(total=total, initial=done, disable=not is_shown, unit="batch", desc=name)
        # nobody sees metrics that are computed more often than the bar is drawn
        self._interval = max(_SECONDS_BETWEEN_METRICS, getattr(self._bar, "mininterval", 0.0))
        self._next = time.monotonic() + self._interval
        self._is_shown = is_shown

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def advance(self, metrics: Callable[[], MetricValues]) -> None:
        """One step further.

        Args:
            metrics: computes the metrics of the epoch so far; called when they are due.
        """
        if not self._is_shown:
            return
        now = time.monotonic()
        if now >= self._next:
            self._show(metrics())
            self._next = time.monotonic() + self._interval
        self._bar.update()

    def finish(self, metrics: MetricValues) -> None:
        """Show the metrics of the whole epoch."""
        if self._is_shown:
            self._show(metrics)  # closing the bar shows it

    def _show(self, metrics: MetricValues) -> None:
        """The loss first, since a narrow terminal has room for one or two only."""
        names = sorted(
            (name for name in metrics if not name.startswith("_")), key=lambda name: name != "loss"
        )
        self._bar.set_postfix_str(", ".join(f"{name} {metrics[name]:.4f}" for name in names), refresh=False)


class PhaseTimer(Protocol):
    """Is told when a phase of a step begins and ends."""

    def phase(self, name: str) -> AbstractContextManager[Any]:
        """The context of one phase: `data`, `forward`, `backward`, `gradients`, `update`, `callbacks`, ..."""
        ...


class NoTimer:
    """Measures nothing, so that the phases of a step cost nothing."""

    _nothing: AbstractContextManager[Any] = nullcontext()

    def phase(self, name: str) -> AbstractContextManager[Any]:
        """A context that does nothing."""
        return self._nothing
