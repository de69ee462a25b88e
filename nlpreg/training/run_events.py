"""What happens now and then in the course of a run: validation, checkpoints, lines of the log, the end on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, cast

from torch import nn

from nlpreg.training.metrics.ranks import local_metrics
from nlpreg.training.model_memory import ModelMemory
from nlpreg.training.plain_modules import metrics_of
from nlpreg.training.protocols import MetricValues
from nlpreg.training.random_state import random_state, set_random_state
from nlpreg.training.validation import Validation, ValidationInterrupted

if TYPE_CHECKING:
    from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer


def log(trainer: GradientDescentTrainer, event: str, metrics: MetricValues) -> None:
    """Note a line of `metrics.jsonl`."""
    trainer._metrics_log.add(
        event,
        trainer._epochs_completed,
        trainer._batches_in_epoch_completed,
        trainer._total_batches_completed,
        metrics,
    )


def validate(trainer: GradientDescentTrainer) -> bool:
    """Validate after an epoch, and let the metric tracker judge.

    Returns:
        Whether the present weights are the best so far.

    Raises:
        TrainingInterrupted, KeyboardInterrupt: the process was asked to end; a checkpoint was saved as of before.
    """
    return _validate(trainer, ModelMemory.of(cast(nn.Module, trainer.model)))


def validate_within_epoch(trainer: GradientDescentTrainer) -> bool:
    """Validate between two updates, if that is due; the training metrics of the epoch go on afterwards.

    Returns:
        Whether it was, and the present weights are the best so far.

    Raises:
        TrainingInterrupted, KeyboardInterrupt: the process was asked to end; a checkpoint was saved as of before.
    """
    every, total = trainer._validate_every_num_batches, trainer._total_batches_completed
    if every is None or trainer._validation_data_loader is None or not trainer._should_validate_this_epoch:
        return False
    if total == 0 or total % every != 0 or trainer._last_validation == total:
        return False
    model = cast(nn.Module, trainer.model)
    memory = ModelMemory.of(model)
    with local_metrics():
        metrics_of(trainer.model, reset=True)
    is_best = _validate(trainer, memory)
    memory.put_back(model)
    trainer._pytorch_model.train()
    log(trainer, "validation", {f"validation_{k}": v for k, v in trainer._validation_metrics.items()})
    return is_best


def _validate(trainer: GradientDescentTrainer, memory: ModelMemory) -> bool:
    """Validate; when interrupted, go back to `memory` and save that."""
    generators, position = random_state(), trainer._validation_data.position()
    try:
        trainer._validation_metrics = metrics = Validation(trainer).run()
    except ValidationInterrupted:
        memory.put_back(cast(nn.Module, trainer.model))
        set_random_state(generators)
        trainer._validation_data.hold(position)
        stop_on_request(trainer)
    tracker = trainer._metric_tracker
    tracker.add_metrics(metrics, epoch=trainer._epochs_completed)
    if tracker.is_best_so_far():
        tracker.best_epoch_metrics = dict(metrics)
    trainer._last_validation = trainer._total_batches_completed
    return tracker.is_best_so_far()


def save_checkpoint_if_due(trainer: GradientDescentTrainer) -> None:
    """Let the checkpointer decide, between two updates."""
    if trainer._checkpointer is not None:
        trainer._checkpointer.maybe_save_checkpoint(
            trainer, trainer._epochs_completed, trainer._batches_in_epoch_completed
        )


def stop_on_request(trainer: GradientDescentTrainer) -> NoReturn:
    """Save a checkpoint and raise what the process was asked for.

    Raises:
        TrainingInterrupted: it got SIGTERM.
        KeyboardInterrupt: it got Ctrl-C.
    """
    if trainer._checkpointer is not None:
        trainer._checkpointer.save_checkpoint(trainer)
    trainer._interruption.raise_request(
        trainer._epochs_completed, trainer._batches_in_epoch_completed, trainer._checkpointer is not None
    )
