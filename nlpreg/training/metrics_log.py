"""Metrics of a run: their computation, the progress bar, the files of epochs, and the log over time (`metrics.jsonl`)."""

import json
import logging
import os
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol

from nlpreg.common import Tqdm
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.files import read_json
from nlpreg.common.sanitize import json_numbers, sanitize
from nlpreg.common.util import dump_metrics, format_size, peak_cpu_memory, peak_gpu_memory
from nlpreg.training.losses import RunningLoss
from nlpreg.training.metric_tracker import MetricTracker
from nlpreg.training.metrics.metric import local_metrics
from nlpreg.training.protocols import MetricValues, TrainableModel, metrics_of

logger = logging.getLogger(__name__)


class HasBeenWarned:
    """Flags for the warnings that this process has already logged; public in AllenNLP."""

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
    """The metrics of a model, together with the losses.

    Args:
        model: the model.
        total_loss: weighted sum of the losses.
        total_reg_loss: weighted sum of the penalties; None for a model without one.
        batch_loss: the latest loss; None to leave `batch_loss` out.
        batch_reg_loss: the latest penalty; None to leave `batch_reg_loss` out.
        num_batches: number of losses in the sums, or the sum of their weights.
        reset: whether to reset the model's metrics.

    Returns:
        The model's metrics, then those of `batch_loss`, `loss`, `batch_reg_loss` and `reg_loss` that exist.
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


def metrics_with_loss(model: TrainableModel, loss: RunningLoss, reset: bool = False) -> dict[str, float]:
    """The model's metrics and the mean loss: of all processes if they are reset afterwards, else of this one so far."""
    if reset:
        return get_metrics(model, loss.total, loss.total_penalty, None, None, loss.weight, True)
    with local_metrics():
        return get_metrics(model, loss.total, loss.total_penalty, loss.last, loss.last_penalty, loss.weight)


def description_from_metrics(metrics: MetricValues) -> str:
    """Format metrics as the description of a progress bar; names that begin with an underscore are hidden."""
    if not HasBeenWarned.tqdm_ignores_underscores and any(name.startswith("_") for name in metrics):
        HasBeenWarned.tqdm_ignores_underscores = True
        logger.warning("metrics whose names begin with '_' are not shown in progress bars")
    shown = (f"{name}: {value:.4f}" for name, value in metrics.items() if not name.startswith("_"))
    return ", ".join(shown) + " ||"


def get_train_and_validation_metrics(metrics: MetricValues) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a run's metrics into training and validation metrics, without their prefixes."""
    training, validation = (
        {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
        for prefix in ("training_", "validation_")
    )
    for not_of_an_epoch in ("duration", "start_epoch", "epochs"):
        training.pop(not_of_an_epoch, None)
    return training, validation


_SECONDS_BETWEEN_METRICS = 0.5


class ProgressBar:
    """A progress bar with the metrics of the epoch so far.

    Args:
        total: number of steps; None if it is unknown.
        done: number of steps done before a resumed epoch was interrupted.
        name: the description, such as "training".
        is_shown: whether this process shows the bar.
    """

    def __init__(self, total: int | None, done: int, name: str, is_shown: bool) -> None:
        self._bar = Tqdm.tqdm(total=total, initial=done, disable=not is_shown, unit="batch", desc=name)
        # metrics are not computed more often than the bar is drawn
        self._interval = max(_SECONDS_BETWEEN_METRICS, getattr(self._bar, "mininterval", 0.0))
        self._next = time.monotonic() + self._interval
        self._is_shown = is_shown

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def advance(self, metrics: Callable[[], MetricValues]) -> None:
        """Advance the bar by one step.

        Args:
            metrics: computes the metrics of the epoch so far; called only when the bar is refreshed.
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
            self._show(metrics)  # drawn when the bar is closed

    def _show(self, metrics: MetricValues) -> None:
        """Set the text after the bar, the loss first, since a narrow terminal has room for only one or two metrics."""
        names = sorted(
            (name for name in metrics if not name.startswith("_")), key=lambda name: name != "loss"
        )
        self._bar.set_postfix_str(", ".join(f"{name} {metrics[name]:.4f}" for name in names), refresh=False)


class PhaseTimer(Protocol):
    """Measures the phases of a training step."""

    def phase(self, name: str) -> AbstractContextManager[Any]:
        """The context of a phase: `data`, `forward`, `backward`, `gradients`, `update` or `callbacks`."""


class NoTimer:
    """A timer that measures nothing, shared by all steps so that it costs nothing."""

    _context: AbstractContextManager[Any] = nullcontext()

    def phase(self, name: str) -> AbstractContextManager[Any]:
        """A context that does nothing."""
        return self._context


METRICS_LOG_NAME = "metrics.jsonl"
_LINES_BEFORE_WRITING = 50
_MEBIBYTE = 1024 * 1024


class RunMetrics:
    """The metrics of a run, of its current epoch and of its last validation.

    Attributes:
        run: all metrics after the last finished epoch, as in `metrics_epoch_*.json` and returned by `train`.
        epoch: the training metrics of an epoch after its last update, until the epoch is finished; otherwise None.
        validation: metrics of the last validation, without prefix.
        history: `run` after each epoch, from which damaged files are restored.

    Args:
        keep_files: number of most recent epochs whose `metrics_epoch_*.json` are kept; None for all.
    """

    def __init__(self, keep_files: int | None = None) -> None:
        self._keep_files = keep_files
        self.history: list[MetricValues] = []
        self.run: MetricValues = {}
        self.epoch: MetricValues | None = None
        self.validation: MetricValues = {}

    def finish_epoch(self, epoch: int, tracker: MetricTracker, seconds: float) -> MetricValues:
        """Merge the metrics of the current epoch and of the last validation into those of the run.

        Args:
            epoch: number of the epoch, from 0.
            tracker: holds the best validation.
            seconds: duration of the run so far.
        """
        training = self.epoch or {}
        metrics: dict[str, Any] = {"best_epoch": tracker.best_epoch}
        for name, value in training.items():
            if name.endswith("_memory_MB"):
                peak = f"peak_{name}"  # over all epochs; the value in `run` is the peak of the previous ones
                metrics[peak] = max(value, self.run.get(peak, 0.0))
        metrics["training_duration"] = str(timedelta(seconds=seconds))
        metrics["epoch"] = epoch
        for prefix, values in (
            ("training", training),
            ("validation", self.validation),
            ("best_validation", tracker.best_epoch_metrics),
        ):
            metrics.update({f"{prefix}_{name}": value for name, value in values.items()})
        self.run = metrics
        self.history.append(metrics)
        return metrics

    def write_file(self, folder: str) -> None:
        """Write `metrics_epoch_{n}.json` of the finished epoch, and delete the oldest one if there are too many.

        Raises:
            ConfigurationError: the folder is read-only or the disk is full.
        """
        epoch = self.run["epoch"]
        if self._keep_files != 0:
            write_metrics_of_epoch(folder, self.run)
        if self._keep_files:
            with suppress(FileNotFoundError):
                os.remove(_epoch_metrics_path(folder, epoch - self._keep_files))

    def restore_files(self, folder: str) -> None:
        """Restore the files of earlier epochs that are damaged or missing, and delete those that are no longer kept.

        Raises:
            ConfigurationError: the folder is read-only or the disk is full.
        """
        kept = (
            self.history
            if self._keep_files is None
            else self.history[max(len(self.history) - self._keep_files, 0) :]
        )
        for metrics in kept:
            path = _epoch_metrics_path(folder, metrics["epoch"])
            if read_json(path) != json_numbers(metrics):
                logger.warning("%s is damaged or missing; rewritten from the checkpoint", path)
                write_metrics_of_epoch(folder, metrics)
        names = {os.path.basename(_epoch_metrics_path(folder, metrics["epoch"])) for metrics in kept}
        expired = {f"metrics_epoch_{metrics['epoch']}.json" for metrics in self.history} - names
        for name in expired & set(os.listdir(folder)):
            os.remove(os.path.join(folder, name))

    def state_dict(self) -> dict[str, Any]:
        """All metrics."""
        return {
            "run": self.run,
            "epoch": self.epoch,
            "validation": self.validation,
            "history": list(self.history),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`."""
        self.run = state_dict["run"]
        self.epoch = state_dict["epoch"]
        self.validation = state_dict["validation"]
        self.history = list(state_dict.get("history", []))


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


def metrics_without_epoch(tracker: MetricTracker) -> dict[str, Any]:
    """The metrics of a run that had no epoch left to train: those of the best validation, if there was one."""
    best = {f"best_validation_{name}": value for name, value in tracker.best_epoch_metrics.items()}
    return {"best_epoch": tracker.best_epoch, **best}


def repeatable_metrics(metrics: MetricValues) -> MetricValues:
    """The metrics of an epoch that are equal in repeated runs: all but times and memory."""
    prefixes = ("training_", "validation_", "best_validation_")
    return {
        name: value
        for name, value in metrics.items()
        if name == "best_epoch"
        or (name.startswith(prefixes) and not name.endswith("_memory_MB") and name != "training_duration")
    }


def _epoch_metrics_path(folder: str, epoch: int) -> str:
    return os.path.join(folder, f"metrics_epoch_{epoch}.json")


def write_metrics_of_epoch(folder: str, metrics: MetricValues) -> None:
    """Write `metrics_epoch_{n}.json`.

    Raises:
        ConfigurationError: the folder is read-only or the disk is full.
    """
    path = _epoch_metrics_path(folder, metrics["epoch"])
    try:
        dump_metrics(path, metrics)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from error


class MetricsLog:
    """Appends lines to `metrics.jsonl`, several at a time.

    Each line has `event` (`step`, `validation` or `epoch`), `epoch`, `batch` (number of the update in the epoch),
    `step` (number of the update in the run) and `seconds` (since the start of the run), followed by the metrics and the
    learning rate. A resumed run truncates the lines after its checkpoint, so that the file is that of an uninterrupted
    run.

    Args:
        folder: folder of the run; None in a process that does not write the log.
        interval: number of updates between two lines of the event `step`.
    """

    def __init__(self, folder: str | None, interval: int = 100) -> None:
        self._path = None if folder is None else os.path.join(folder, METRICS_LOG_NAME)
        self._interval = interval
        self._lines: list[str] = []
        self._is_new = True
        self._num_written = 0
        self._checksum = 0

    def is_due(self, step: int) -> bool:
        """Whether the update with this number, from 1, is to be logged."""
        return step % self._interval == 0

    def add(
        self, event: str, epoch: int, batch: int, step: int, metrics: MetricValues, seconds: float = 0.0
    ) -> None:
        """Add one line."""
        if self._path is None:
            return
        position = {
            "event": event,
            "epoch": epoch,
            "batch": batch,
            "step": step,
            "seconds": round(seconds, 3),
        }
        self._lines.append(json.dumps(json_numbers({**position, **metrics}), default=sanitize) + "\n")
        if len(self._lines) >= _LINES_BEFORE_WRITING or event != "step":
            self.write()

    def write(self) -> None:
        """Write the lines added since the last call.

        Raises:
            ConfigurationError: the folder is read-only or the disk is full.
        """
        if self._path is None or not (self._lines or self._is_new):
            return
        # Appending is not atomic. An incomplete line that a kill leaves is truncated on resuming, by the number of lines.
        text = "".join(self._lines)
        try:
            with open(self._path, "w" if self._is_new else "a", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot be written ({error.strerror})") from error
        self._checksum = zlib.crc32(text.encode("utf-8"), self._checksum)
        self._num_written += len(self._lines)
        self._lines = []
        self._is_new = False

    def state_dict(self) -> dict[str, Any]:
        """The number of lines of the file, and the CRC-32 of its contents."""
        self.write()
        return {"lines": self._num_written, "crc32": self._checksum}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Truncate what was written after the checkpoint, and verify what was written before it."""
        if self._path is None:
            return
        try:
            with open(self._path, "rb") as file:
                lines = file.readlines()
        except OSError as error:
            logger.warning(
                "%s: earlier lines are lost (%s); the file starts over", self._path, error.strerror
            )
            return
        if "lines" in state_dict:
            kept = lines[: state_dict["lines"]]
        else:  # an older checkpoint, which has the number of bytes
            kept = b"".join(lines)[: state_dict["size"]].splitlines(keepends=True)
        contents = b"".join(kept)
        self._checksum = zlib.crc32(contents)
        self._num_written = len(kept)
        self._is_new = False
        if self._checksum != state_dict.get("crc32", self._checksum):
            logger.warning("%s: its first %d lines have been altered", self._path, len(kept))
            if contents and not contents.endswith(b"\n"):
                kept = kept[:-1]  # an incomplete line, to which the next one would be appended
                self._num_written, contents = len(kept), b"".join(kept)
                self._checksum = zlib.crc32(contents)
        os.truncate(self._path, len(contents))
