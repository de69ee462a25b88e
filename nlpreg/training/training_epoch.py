"""One pass over the training data."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

from nlpreg.training.accumulation import Accumulation
from nlpreg.training.best_weights import save_best_weights
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.carried_states import begins_pass, reset_states
from nlpreg.training.metric_reports import get_metrics
from nlpreg.training.metrics.ranks import local_metrics
from nlpreg.training.progress import ProgressBar
from nlpreg.training.protocols import ModelOutputs, TensorDict
from nlpreg.training.run_events import (
    log,
    save_checkpoint_if_due,
    stop_on_request,
    validate_within_epoch,
)

if TYPE_CHECKING:
    from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer

logger = logging.getLogger(__name__)


class TrainingEpoch:
    """The steps of one epoch; in a resumed run, those that are left.

    step: { forward, backward for each batch; clip; schedulers; update; callbacks; validation and checkpoint if due }

    Args:
        trainer: whose model is trained, and whose counters are moved on.
    """

    def __init__(self, trainer: GradientDescentTrainer) -> None:
        self._trainer = trainer
        self._epoch = trainer._epochs_completed
        self._data = trainer._training_data
        self._world_size = trainer._world_size if trainer._distributed else 1
        self._loss_is_sum = bool(getattr(trainer.model, "loss_is_sum", False))
        self._on_batch = _overriding(trainer._callbacks, "on_batch")
        self._on_backward = _overriding(trainer._callbacks, "on_backward")
        self._keeps_outputs = any(callback.reads_batch_outputs for callback in self._on_batch)

    def run(self) -> dict[str, float]:
        """Train, and return the metrics of the epoch.

        Raises:
            NonFiniteLossError: the loss became NaN or infinite.
            TrainingInterrupted: the process was asked to end; a checkpoint was saved.
        """
        trainer = self._trainer
        trainer._pytorch_model.train()
        total, done = trainer._num_steps_per_epoch, trainer._batches_in_epoch_completed
        with ProgressBar(total, done, "training", trainer._primary) as bar:
            validate_within_epoch(trainer)  # left over, where validation was interrupted
            for group in self._groups():
                if trainer._metric_tracker.should_stop_early():
                    break
                self._step(group)
                bar.advance(self._metrics)
                self._log()
                improved = validate_within_epoch(trainer)
                save_checkpoint_if_due(trainer)
                if improved:
                    save_best_weights(trainer)
            metrics = self._metrics(reset=True)
            bar.finish(metrics)
        return metrics

    def _groups(self) -> Iterator[list[TensorDict]]:
        """The batches of each step, as many as every process has."""
        trainer = self._trainer
        batches = iter(self._data)
        after = self._data.position()
        while True:
            before = after
            with trainer._timer.phase("data"):
                group = list(islice(batches, trainer._num_gradient_accumulation_steps))
            asked_to_stop = trainer._interruption.requested is not None
            num_batches, stop = trainer._lockstep.agree(len(group), asked_to_stop)
            if stop:
                self._data.hold(before)  # what was drawn just now comes again
                stop_on_request(trainer)
            # a short group means that the loader has come to its end and stands at the next epoch
            self._data.is_exhausted = len(group) < trainer._num_gradient_accumulation_steps
            if num_batches < len(group):
                logger.warning("another process has run out of training data; the epoch ends here for all")
                for _ in batches:  # so that the next epoch starts at the start
                    pass
            if num_batches == 0:
                return
            after = self._data.position()
            if begins_pass(before, after, trainer._batches_in_epoch_completed == 0):
                reset_states(trainer.model)
            yield group[:num_batches]

    def _step(self, group: list[TensorDict]) -> None:
        """One update from the batches of a group."""
        trainer, phase = self._trainer, self._trainer._timer.phase
        trainer.optimizer.zero_grad(set_to_none=True)
        trainer._accumulation = Accumulation(len(group), self._world_size, self._loss_is_sum)
        last = len(group) - 1
        outputs = [self._forward_backward(batch, index == last) for index, batch in enumerate(group)]
        with phase("gradients"):
            loss, reg_loss = trainer._accumulation.finish(trainer._trained_parameters)
            trainer._running_loss.add(loss, reg_loss)
            norm = trainer.rescale_gradients()
            trainer.clip_gradient()
        with phase("update"):
            number = trainer._total_batches_completed + 1
            for scheduler in (trainer._learning_rate_scheduler, trainer._momentum_scheduler):
                if scheduler is not None:
                    scheduler.step_batch(number)
            trainer._precision.step(trainer.optimizer)
            if trainer._moving_average is not None:
                trainer._moving_average.apply(number)
        trainer._batches_in_epoch_completed += 1
        trainer._total_batches_completed = number
        with phase("callbacks"):
            metrics = self._metrics_for_callbacks()
            for callback in self._on_batch:
                callback.on_batch(
                    trainer,
                    group,
                    outputs,
                    metrics,
                    self._epoch,
                    trainer._batches_in_epoch_completed,
                    is_training=True,
                    is_primary=trainer._primary,
                    batch_grad_norm=norm,
                )

    def _forward_backward(self, batch: TensorDict, is_last: bool) -> ModelOutputs:
        trainer, phase = self._trainer, self._trainer._timer.phase
        with self._gradients_synchronized(is_last):
            with phase("forward"), trainer._precision.autocast():
                outputs = trainer.batch_outputs(batch, for_training=True)
            trainer._accumulation.note(outputs)
            with phase("backward"):
                was_called = False
                for callback in self._on_backward:
                    was_called |= bool(callback.on_backward(trainer, outputs, was_called))
                if not was_called:
                    trainer.backward(outputs)
        return outputs if self._keeps_outputs else {}

    def _gradients_synchronized(self, is_last: bool) -> AbstractContextManager[Any]:
        """Let the processes exchange gradients only once a step, after the last batch."""
        no_sync = None if is_last else getattr(self._trainer._pytorch_model, "no_sync", None)
        return nullcontext() if no_sync is None else no_sync()

    def _metrics(self, reset: bool = False) -> dict[str, float]:
        """The metrics of the epoch so far: of this process, or in the end of all."""
        running = self._trainer._running_loss
        total_reg_loss = running.total_reg if running.last_reg is not None else None
        if reset:
            metrics = get_metrics(
                self._trainer.model, running.total, total_reg_loss, None, None, running.count, True
            )
            return metrics
        with local_metrics():
            return get_metrics(
                self._trainer.model,
                running.total,
                total_reg_loss,
                running.last,
                running.last_reg,
                running.count,
            )

    def _metrics_for_callbacks(self) -> dict[str, float]:
        trainer = self._trainer
        wanted = any(callback.wants_batch_metrics(trainer, True) for callback in self._on_batch)
        return self._metrics() if wanted else {}

    def _log(self) -> None:
        trainer = self._trainer
        if trainer._primary and trainer._metrics_log.is_due(trainer._total_batches_completed):
            metrics = {f"training_{name}": value for name, value in self._metrics().items()}
            metrics["learning_rate"] = trainer.optimizer.param_groups[0]["lr"]
            log(trainer, "step", metrics)


def _overriding(callbacks: list[TrainerCallback], hook: str) -> list[TrainerCallback]:
    """The callbacks that do something in a hook, so that the others cost nothing in each step."""
    return [c for c in callbacks if getattr(type(c), hook) is not getattr(TrainerCallback, hook)]
