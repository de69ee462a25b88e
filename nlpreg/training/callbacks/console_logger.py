"""What a person at the console wants to know of a run."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import Tensor

from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.metric_reports import get_train_and_validation_metrics
from nlpreg.training.protocols import GradientNorm, MetricValues, ModelOutputs, TensorDict

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer

logger = logging.getLogger(__name__)
console = logging.getLogger("nlpreg.console")
"""For the few lines that a person sees even without asking for more."""

_LONGEST_STRING = 20
_SHOWN_NUMBERS = 6
_METRICS_IN_A_LINE = 4


@TrainerCallback.register("console_logger")
class ConsoleLoggerCallback(TrainerCallback):
    """Logs the first inputs of a run, and a table of the metrics after each epoch.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        should_log_inputs: whether to log the first batch, of training and of validation.
    """

    reads_batch_outputs = False

    def __init__(self, serialization_dir: str | os.PathLike[str], should_log_inputs: bool = True) -> None:
        super().__init__(serialization_dir)
        self._should_log_inputs = should_log_inputs

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
        """Log the fields of the very first batch."""
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
            console.info("epoch %d/%d: %s", epoch, trainer.run.num_epochs - 1, epoch_line(metrics))

    def wants_batch_metrics(self, trainer: RunningTrainer, is_training: bool) -> bool:
        """Never."""
        return False


def metrics_table(metrics: MetricValues) -> list[str]:
    """The lines of a table of training and validation metrics, sorted by name."""
    training, validation = get_train_and_validation_metrics(metrics)
    names = sorted(name for name in {**training, **validation} if not name.endswith("_memory_MB"))
    width = max((len(name) for name in names), default=0)
    lines = [f"{'':{width}}    Training | Validation"]
    for name in names:
        cells = " | ".join(f"{_cell(values.get(name)):>10}" for values in (training, validation))
        lines.append(f"{name:{width}}  {cells}".rstrip())
    return lines


def epoch_line(metrics: MetricValues) -> str:
    """The metrics of an epoch in a line: the first few of training and of validation, and the losses."""
    parts = []
    for name, values in zip(
        ("training", "validation"), get_train_and_validation_metrics(metrics), strict=True
    ):
        shown = {
            key: value
            for key, value in values.items()
            if isinstance(value, (int, float)) and not key.startswith("_") and not key.endswith("_memory_MB")
        }
        loss = {"loss": shown.pop("loss")} if "loss" in shown else {}
        few = {**dict(list(shown.items())[:_METRICS_IN_A_LINE]), **loss}
        if few:
            parts.append(f"{name} " + ", ".join(f"{key} {_short(value)}" for key, value in few.items()))
    return "; ".join(parts)


def _short(value: float) -> str:
    """Four decimals, or four digits where those would show nothing or too much."""
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
        first = ", ".join(f"{number:g}" for number in value.detach().reshape(-1)[:_SHOWN_NUMBERS].tolist())
        more = ", ..." if value.numel() > _SHOWN_NUMBERS else ""
        return f"{str(value.dtype).removeprefix('torch.')} tensor of shape {shape}: [{first}{more}]"
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_STRING else value[:_LONGEST_STRING] + "...")
    if isinstance(value, (list, tuple)):
        kind = type(value[0]).__name__ if value else "nothing"
        return f"list of {len(value)} ({kind})"
    return str(value)
