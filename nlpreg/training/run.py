"""The course of a run: from its checkpoint through its epochs to the best weights."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.reports import format_timedelta
from nlpreg.training.best_weights import load_best_weights, save_best_weights, shards_of, weights_are_best
from nlpreg.training.checkpoint_files import remove_left_overs
from nlpreg.training.random_state import set_random_state
from nlpreg.training.run_events import log, validate
from nlpreg.training.run_metrics import (
    memory_metrics,
    metrics_after_epoch,
    metrics_to_log,
    write_metrics_of_epoch,
)
from nlpreg.training.run_state import put_state_back
from nlpreg.training.running_loss import RunningLoss
from nlpreg.training.training_epoch import TrainingEpoch

if TYPE_CHECKING:
    from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer

logger = logging.getLogger(__name__)


def restore(trainer: GradientDescentTrainer) -> None:
    """Go back to the newest whole checkpoint, if there is one.

    Raises:
        ConfigurationError: it does not fit the model or the optimizer.
    """
    trainer._clock.start()
    if trainer._primary:
        remove_left_overs(trainer._serialization_dir)
    if trainer._checkpointer is None:
        return
    if trainer._is_sharded:
        trainer._checkpointer.state_is_sharded = True
        trainer._checkpointer.shards = shards_of(trainer)
        trainer._checkpointer.shards.check_folder()
    checkpoint = trainer._checkpointer.load_checkpoint()
    if checkpoint is None:
        return
    try:
        put_state_back(trainer, checkpoint)
    except RuntimeError as error:
        raise ConfigurationError(
            f"{trainer._serialization_dir}: cannot go on from the checkpoint, it does not fit the model or the "
            f"optimizer ({error}); use another folder, or delete this one with `--force`"
        ) from error
    if weights_are_best(trainer):
        save_best_weights(trainer)  # the run may have been killed between the checkpoint and this


def restore_generators(trainer: GradientDescentTrainer) -> None:
    """Put the generators of random numbers back, after everything that may have drawn from them."""
    if trainer._generators is not None:
        set_random_state(trainer._generators)
        trainer._generators = None


def run_epochs(trainer: GradientDescentTrainer) -> int | None:
    """Train until all epochs are done or patience is at its end; then put the best weights into the model.

    Returns:
        The number of the last epoch; None if nothing was left to do.
    """
    epoch = None
    while trainer._epochs_completed < trainer._num_epochs and not trainer._metric_tracker.should_stop_early():
        epoch = trainer._epochs_completed
        _run_epoch(trainer, epoch)
    load_best_weights(trainer)
    return epoch


def _run_epoch(trainer: GradientDescentTrainer, epoch: int) -> None:
    """Updates, validation, metrics, schedulers, callbacks, checkpoint, best weights."""
    logger.info("Epoch %d/%d", epoch, trainer._num_epochs - 1)
    started = time.monotonic()
    if trainer._epoch_metrics is None:  # otherwise it was interrupted in the validation after the updates
        memory = memory_metrics()
        trainer._epoch_metrics = {**TrainingEpoch(trainer).run(), **memory}
        trainer._lockstep.barrier()
    training = trainer._epoch_metrics
    score = _validate_after_epoch(trainer)
    trainer._metrics = metrics = metrics_after_epoch(trainer, training)
    if trainer._primary:
        write_metrics_of_epoch(trainer._serialization_dir, metrics)
    log(trainer, "epoch", metrics_to_log(metrics))
    for scheduler in (trainer._learning_rate_scheduler, trainer._momentum_scheduler):
        if scheduler is not None:
            scheduler.step(score)
    for callback in trainer._callbacks:
        callback.on_epoch(trainer, metrics=metrics, epoch=epoch, is_primary=trainer._primary)
    _begin_next_epoch(trainer)
    if trainer._checkpointer is not None:
        trainer._checkpointer.maybe_save_checkpoint(trainer, trainer._epochs_completed, 0)
    trainer._lockstep.barrier()
    if weights_are_best(trainer):
        save_best_weights(trainer)
    trainer._lockstep.barrier()
    _log_time(trainer, time.monotonic() - started)


def _begin_next_epoch(trainer: GradientDescentTrainer) -> None:
    trainer._epochs_completed += 1
    trainer._batches_in_epoch_completed = 0
    trainer._epoch_metrics = None
    trainer._running_loss = RunningLoss(f"epoch {trainer._epochs_completed}")
    trainer._training_data.start_epoch()


def _log_time(trainer: GradientDescentTrainer, seconds: float) -> None:
    logger.info("Epoch duration: %s", timedelta(seconds=seconds))
    left = trainer._num_epochs - trainer._epochs_completed
    if left > 0 and not trainer._metric_tracker.should_stop_early():
        estimate = trainer._clock.seconds() / trainer._epochs_completed * left
        logger.info("Estimated training time remaining: %s", format_timedelta(timedelta(seconds=estimate)))


def _validate_after_epoch(trainer: GradientDescentTrainer) -> float | None:
    """Validate the weights of the end of an epoch, unless that was done already.

    Returns:
        Their score; None without validation.
    """
    if trainer._validation_data_loader is None or not trainer._should_validate_this_epoch:
        return None
    if trainer._last_validation != trainer._total_batches_completed:
        validate(trainer)
        trainer._lockstep.barrier()
    return trainer._metric_tracker.combined_score(trainer._validation_metrics)
