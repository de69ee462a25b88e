"""The table of epochs on the console, and the first inputs and all metrics in the log."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from nlpreg.common.logging import tell
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.checkpointer import CheckpointFiles
from nlpreg.training.metrics_log import get_train_and_validation_metrics
from nlpreg.training.protocols import GradientNorm, MetricValues, ModelOutputs, TensorDict
from nlpreg.training.util import get_batch_size

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer

logger = logging.getLogger(__name__)
console = logging.getLogger("nlpreg.console")
"""Logger of the lines that are shown on the console by default."""

_MAX_STRING_LENGTH = 20
_NUM_SHOWN_VALUES = 6
_METRIC_WIDTH = 10
_MAX_HEADING_LENGTH = 16


@TrainerCallback.register("console_logger")
class ConsoleLoggerCallback(TrainerCallback):
    """Logs the first inputs of a run, a row of an aligned table after each epoch, and all metrics for `--verbose`.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        should_log_inputs: whether to log the first batch, of training and of validation.
    """

    reads_batch_outputs = False

    def __init__(self, serialization_dir: str | os.PathLike[str], should_log_inputs: bool = True) -> None:
        super().__init__(serialization_dir)
        self._should_log_inputs = should_log_inputs
        self._headings: list[str] = []
        self._instances = 0
        self._epoch_began = self._last_update = time.monotonic()

    def on_start(self, trainer: RunningTrainer, is_primary: bool = True, **kwargs: Any) -> None:
        """Log the position of a resumed run."""
        self._epoch_began = time.monotonic()
        progress = trainer.run.progress
        if is_primary and progress.total_batches_completed:
            done = progress.batches_in_epoch_completed
            files = CheckpointFiles(str(self.serialization_dir), progress.epochs_completed, done)
            saved = files.newest_change()
            tell(
                console,
                "resuming in epoch %d after %d batches%s",
                progress.epochs_completed + 1,
                done,
                # another checkpointer may use other files
                time.strftime(" (checkpoint of %Y-%m-%d %H:%M)", time.localtime(saved)) if saved else "",
            )

    def on_batch(
        self,
        trainer: RunningTrainer,
        batch_inputs: list[TensorDict],
        batch_outputs: list[ModelOutputs],
        batch_metrics: MetricValues,
        epoch: int,
        batch_number: int,
        is_training: bool,
        is_primary: bool = True,
        batch_grad_norm: GradientNorm = None,
        **kwargs: Any,
    ) -> None:
        """Count the instances; log the fields of the very first batch."""
        if is_training:
            for batch in batch_inputs:
                self._instances += get_batch_size(batch)
            self._last_update = time.monotonic()
        if epoch != 0 or batch_number != 1 or not is_primary or not self._should_log_inputs:
            return
        logger.info("First batch of %s:", "training" if is_training else "validation")
        for batch in batch_inputs[:1]:
            for name, description in _fields(batch, "batch_input"):
                logger.info("  %s: %s", name, description)

    def on_epoch(
        self,
        trainer: RunningTrainer,
        metrics: MetricValues,
        epoch: int,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Log the metrics of the epoch."""
        if is_primary:
            for line in metrics_table(metrics):
                logger.info("%s", line)
            for line in self._rows(trainer, metrics, epoch):
                tell(console, "%s", line)
        self._instances, self._epoch_began = 0, time.monotonic()

    def on_end(
        self,
        trainer: RunningTrainer,
        metrics: MetricValues | None = None,
        epoch: int | None = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Log why the run ended before its last epoch."""
        run = trainer.run
        if is_primary and run.tracker.should_stop_early() and run.progress.epochs_completed < run.num_epochs:
            tracker = run.tracker
            best = [tracker.best_epoch_metrics.get(name) for _, name in tracker.tracked_metrics]
            value = f" {best[0]:.4f}" if len(best) == 1 and best[0] is not None else ""
            tell(
                console,
                "stopped early: no better %s for %d validation%s%s",
                " ".join(("+" if sign > 0 else "-") + name for sign, name in tracker.tracked_metrics),
                tracker.patience,
                "" if tracker.patience == 1 else "s",
                "" if tracker.best_epoch is None else f", best{value} in epoch {tracker.best_epoch + 1}",
            )

    def _rows(self, trainer: RunningTrainer, metrics: MetricValues, epoch: int) -> Iterator[str]:
        """The row of an epoch, as wide as the terminal at most; preceded by the headings when they change."""
        run = trainer.run
        total = "" if run.max_steps is not None else f"/{run.num_epochs}"
        values = _columns(metrics, [name for _, name in run.tracker.tracked_metrics])
        seconds = time.monotonic() - self._epoch_began
        training_seconds = self._last_update - self._epoch_began
        cells = {name[:_MAX_HEADING_LENGTH]: _short(value) for name, value in values.items()}
        cells["lr"] = f"{run.optimizer.param_groups[0]['lr']:.2g}"
        cells["inst/s"] = f"{self._instances / training_seconds:.0f}" if training_seconds > 0 else "-"
        cells["time"] = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
        widths = {name: max(len(name), _METRIC_WIDTH if name in values else 7) for name in cells}
        for name in _OPTIONAL_COLUMNS:
            # the number of the epoch, the cells, and the mark for a new best
            if 7 + sum(width + 2 for width in widths.values()) + 2 > shutil.get_terminal_size().columns:
                cells.pop(name, None)
                widths.pop(name, None)
        if list(cells) != self._headings:
            self._headings = list(cells)
            yield _row("epoch", cells, widths)
        is_best = run.has_validation and run.tracker.is_best_so_far()
        yield _row(f"{epoch + 1}{total}", cells.values(), widths) + (" *" if is_best else "")

    def wants_batch_metrics(self, trainer: RunningTrainer, is_training: bool) -> bool:
        """False: the table has the metrics of whole epochs only."""
        return False


# Columns that are omitted on a narrow terminal, in this order.
_OPTIONAL_COLUMNS = ("inst/s", "lr", "val loss")


def _row(first: str, cells: Iterable[str], widths: dict[str, int]) -> str:
    padded = (f"{cell:>{width}}" for cell, width in zip(cells, widths.values(), strict=True))
    return "  ".join([f"{first:<7}", *padded])


def metrics_table(metrics: MetricValues) -> list[str]:
    """Format training and validation metrics as a table, sorted by name."""
    training, validation = get_train_and_validation_metrics(metrics)
    names = sorted(name for name in {**training, **validation} if not name.endswith("_memory_MB"))
    width = max((len(name) for name in names), default=0)
    lines = [f"{'':{width}}    Training | Validation"]
    for name in names:
        cells = " | ".join(f"{_cell(values.get(name)):>10}" for values in (training, validation))
        lines.append(f"{name:{width}}  {cells}".rstrip())
    return lines


def _columns(metrics: MetricValues, tracked: Sequence[str]) -> dict[str, float]:
    """The values of the columns by heading: the losses, and the tracked metric or otherwise the first one.

    Args:
        metrics: metrics of the epoch, with the prefixes `training_` and `validation_`.
        tracked: names of the tracked metrics, without prefixes.
    """
    training, validation = (
        {name: value for name, value in values.items() if _is_shown(name, value)}
        for values in get_train_and_validation_metrics(metrics)
    )
    columns = {"loss": training["loss"]} if "loss" in training else {}
    if "loss" in validation:
        columns["val loss"] = validation["loss"]
    source = validation or training
    others = [name for name in (*tracked, *source) if name != "loss" and name in source]
    if others:
        columns[others[0]] = source[others[0]]
    return columns


def _is_shown(name: str, value: Any) -> bool:
    return isinstance(value, (int, float)) and not name.startswith("_") and not name.endswith("_memory_MB")


def _short(value: float) -> str:
    """Format a number with four decimals, or with four significant digits if it is very small or large."""
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1e6 else f"{value:.4g}"


def _cell(value: Any) -> str:
    if value is None:
        return "N/A"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:8.3f}"
    return str(value)


def _fields(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Each field of a batch with its path and a short description."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _fields(item, f"{name}/{key}")
    else:
        yield name, _describe(value)


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        shape = " x ".join(map(str, value.shape)) or "scalar"
        first = ", ".join(f"{number:g}" for number in value.detach().reshape(-1)[:_NUM_SHOWN_VALUES].tolist())
        more = ", ..." if value.numel() > _NUM_SHOWN_VALUES else ""
        return f"{str(value.dtype).removeprefix('torch.')} tensor of shape {shape}: [{first}{more}]"
    if isinstance(value, str):
        return repr(value if len(value) <= _MAX_STRING_LENGTH else value[:_MAX_STRING_LENGTH] + "...")
    if isinstance(value, (list, tuple)):
        kind = type(value[0]).__name__ if value else "nothing"
        return f"list of {len(value)} ({kind})"
    return str(value)
