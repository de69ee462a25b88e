"""The training loop: epochs of updates, with validation, checkpoints and logging between them."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from itertools import islice
from typing import Any, NoReturn, cast

from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.util import format_timedelta
from nlpreg.training import metrics_log
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.losses import Accumulation
from nlpreg.training.metrics.metric import local_metrics
from nlpreg.training.protocols import GradientNorm, MetricValues, ModelOutputs, TensorDict, metrics_of
from nlpreg.training.run import RunningTrainer
from nlpreg.training.state import ModelSnapshot, begins_pass, reset_states
from nlpreg.training.validation import Validation, ValidationInterrupted

logger = logging.getLogger(__name__)

ValidationLoss = Callable[[int], "tuple[float, float | None, float]"]
"""Validates the model in the epoch of a number; returns the sums of the losses, of the penalties and of the weights."""


class TrainingLoop:
    """Runs the epochs: { updates, validation, metrics, schedulers, callbacks, checkpoint, best weights }.

    Args:
        trainer: the trainer; its methods run the model, and rescale and clip gradients.
        callbacks: the callbacks of the run.
        train_epoch: trains one epoch and returns its metrics; `self.train_epoch`, unless the trainer overrides it.
        validation_loss: runs the model on the validation data; `self.validation_loss`, unless the trainer overrides it.
    """

    def __init__(
        self,
        trainer: RunningTrainer,
        callbacks: Sequence[TrainerCallback],
        train_epoch: Callable[[int], MetricValues] | None = None,
        validation_loss: ValidationLoss | None = None,
    ) -> None:
        self._trainer = trainer
        self._run = trainer.run
        self._callbacks = callbacks
        self._train_epoch = train_epoch or self.train_epoch
        self._validation_loss = validation_loss or self.validation_loss
        self._on_batch = _overriding(callbacks, "on_batch")
        self._on_backward = _overriding(callbacks, "on_backward")
        self._keeps_outputs = any(callback.reads_batch_outputs for callback in self._on_batch)

    def run_epochs(self) -> int | None:
        """Train until all epochs are done or patience is exhausted, then load the best weights into the model.

        Returns:
            The number of the last epoch; None if nothing was left to do.
        """
        epoch = None
        while not self._run.is_over:
            epoch = self._run.progress.epochs_completed
            self._run_epoch(epoch)
        self._run.load_best_weights()
        return epoch

    def _run_epoch(self, epoch: int) -> None:
        run = self._run
        logger.info("Epoch %d/%s", epoch, "?" if run.max_steps is not None else run.num_epochs - 1)
        started = time.monotonic()
        # not None if the run was interrupted in the validation after these updates
        if run.metrics.epoch is None:
            memory = metrics_log.memory_metrics()
            run.metrics.epoch = {**self._train_epoch(epoch), **memory}
            run.communicator.barrier()
        score = self._validate_after_epoch()
        metrics = run.metrics.finish_epoch(epoch, run.tracker, run.clock.seconds())
        if run.is_primary:
            run.metrics.write_file(run.serialization_dir)
        run.log("epoch", metrics_log.repeatable_metrics(metrics))
        for scheduler in (run.learning_rate_scheduler, run.momentum_scheduler):
            if scheduler is not None:
                scheduler.step(score)
        if run.moving_average is not None:
            run.moving_average.end_epoch(score)
        for callback in self._callbacks:
            callback.on_epoch(self._trainer, metrics=metrics, epoch=epoch, is_primary=run.is_primary)
        # The epoch is counted as finished before saving, so that a checkpoint between two epochs is named after the next one.
        run.begin_next_epoch()
        self._save_checkpoint_if_due()
        run.communicator.barrier()
        # After the checkpoint: best.th is then a second name of its file, not another copy of the weights.
        if run.weights_are_best():
            run.save_best_weights()
        run.communicator.barrier()
        self._log_time(time.monotonic() - started)

    def _log_time(self, seconds: float) -> None:
        run = self._run
        logger.info("Epoch duration: %s", timedelta(seconds=seconds))
        done: int = run.progress.epochs_completed
        length: int = run.num_epochs
        if run.max_steps is not None:
            done, length = run.progress.total_batches_completed, run.max_steps
        if done < length and not run.should_stop:
            estimate = run.clock.seconds() / max(done, 1) * (length - done)
            logger.info(
                "Estimated training time remaining: %s", format_timedelta(timedelta(seconds=estimate))
            )

    # --- the updates of an epoch

    def train_epoch(self, epoch: int) -> MetricValues:
        """Run the updates of one epoch; in a resumed run, the remaining ones.

        update: { forward, backward for each batch; clip; schedulers; step; callbacks; validation and checkpoint if due }

        Args:
            epoch: its number, from 0.

        Returns:
            The metrics of the epoch.

        Raises:
            NonFiniteLossError: the loss became NaN or infinite.
            TrainingInterrupted: the process was asked to end; a checkpoint was saved.
            ConfigurationError: the data gave no batch at all.
        """
        run = self._run
        run.module.train()
        done = run.progress.batches_in_epoch_completed
        with metrics_log.ProgressBar(run.steps_per_epoch, done, "training", run.is_primary) as bar:
            self._validate_within_epoch()  # repeated if the run was interrupted in a validation
            for group in self._groups():
                self._step(group, epoch)
                bar.advance(self._metrics)
                self._log_step()
                improved = self._validate_within_epoch()
                self._save_checkpoint_if_due()
                if improved:
                    run.save_best_weights()
            metrics = self._metrics(reset=True)
            bar.finish(metrics)
        return metrics

    def _groups(self) -> Iterator[list[TensorDict]]:
        """The batches of each update; all processes yield groups of the same size."""
        run = self._run
        data = run.training_data
        batches = iter(data)
        after = data.position()
        # Checked before batches are fetched, so that a run resumed here continues with the same batches.
        while not run.should_stop:
            before = after
            with run.timer.phase("data"):
                group = list(islice(batches, run.num_gradient_accumulation_steps))
            wants_stop = run.interruption.requested is not None
            num_batches, stop = run.communicator.agree(len(group), wants_stop)
            if stop:
                data.hold(before)  # the batches just fetched are trained on after resuming
                self._stop_on_request()
            # an incomplete group means that the loader is exhausted and positioned at the next epoch
            data.is_exhausted = len(group) < run.num_gradient_accumulation_steps
            if num_batches < len(group):
                logger.warning("another process has run out of training data; the epoch ends here for all")
                for _ in batches:  # exhaust the loader, so that the next epoch starts from the beginning
                    pass
            if num_batches == 0:
                self._check_not_empty(len(group))
                return
            after = data.position()
            if begins_pass(before, after, run.progress.batches_in_epoch_completed == 0):
                reset_states(run.model)
            yield group[:num_batches]

    def _check_not_empty(self, num_batches: int) -> None:
        """Raise an error if the epoch had no update at all; an epoch without updates would train nothing, silently."""
        if self._run.progress.batches_in_epoch_completed > 0:
            return
        given = self._run.communicator.all_gather(num_batches)
        empty = [rank for rank, number in enumerate(given) if number == 0]
        whose = f" in the processes {empty} of {len(given)}" if len(given) > 1 else ""
        advice = " Are there fewer instances, or batches, than processes?" if len(given) > len(empty) else ""
        raise ConfigurationError(
            f"train_data_path: there is no batch in the training data{whose}, so there is nothing to train on.{advice} "
            "Is the file empty, or shorter than one batch of a loader that drops the last one?"
        )

    def _step(self, group: list[TensorDict], epoch: int) -> None:
        """One update from the batches of a group."""
        run, phase = self._run, self._run.timer.phase
        run.optimizer.zero_grad(set_to_none=True)
        run.accumulation = Accumulation(len(group), run.communicator.size, run.loss_is_sum)
        last = len(group) - 1
        outputs = [self._forward_backward(batch, index == last) for index, batch in enumerate(group)]
        with phase("gradients"):
            # Before clipping: until the division by the sum of the weights the gradients are not those of the mean loss.
            run.loss.add(*run.accumulation.finish(run.parameters))
            norm = self._trainer.rescale_gradients()
            self._trainer.clip_gradient()
        with phase("update"):
            # The schedulers set the values of this update, so they come before the optimizer's step.
            number = run.progress.total_batches_completed + 1
            for scheduler in (run.learning_rate_scheduler, run.momentum_scheduler):
                if scheduler is not None:
                    scheduler.step_batch(number)
            run.precision.step(run.optimizer)
            if run.moving_average is not None:
                run.moving_average.apply(number)
        run.progress.batches_in_epoch_completed += 1
        run.progress.total_batches_completed = number
        with phase("callbacks"):
            self._call_on_batch(group, outputs, epoch, norm)

    def _forward_backward(self, batch: TensorDict, is_last: bool) -> ModelOutputs:
        run, phase = self._run, self._run.timer.phase
        # DDP averages gradients in the backward pass; with accumulation, only the last one needs it
        with self._gradients_synchronized(is_last):
            with phase("forward"), run.precision.autocast():
                outputs = self._trainer.batch_outputs(batch, for_training=True)
            run.accumulation.record(outputs)
            with phase("backward"):
                was_called = False
                for callback in self._on_backward:
                    was_called |= bool(callback.on_backward(self._trainer, outputs, was_called))
                if not was_called:
                    self._trainer.backward(outputs)
        # discarded unless a callback reads them, to free their memory before the next batch
        return outputs if self._keeps_outputs else {}

    def _gradients_synchronized(self, is_last: bool) -> AbstractContextManager[Any]:
        """A context in which DDP averages gradients only for the last batch of an update."""
        no_sync = None if is_last else getattr(self._run.module, "no_sync", None)
        return nullcontext() if no_sync is None else no_sync()

    def _call_on_batch(
        self, group: list[TensorDict], outputs: list[ModelOutputs], epoch: int, norm: GradientNorm
    ) -> None:
        trainer = self._trainer
        wanted = any(callback.wants_batch_metrics(trainer, True) for callback in self._on_batch)
        metrics = self._metrics() if wanted else {}
        for callback in self._on_batch:
            callback.on_batch(
                trainer,
                group,
                outputs,
                metrics,
                epoch,
                self._run.progress.batches_in_epoch_completed,
                is_training=True,
                is_primary=self._run.is_primary,
                batch_grad_norm=norm,
            )

    def _metrics(self, reset: bool = False) -> dict[str, float]:
        """The metrics of the epoch so far: those of this process or, at the end, of all processes."""
        return metrics_log.metrics_with_loss(self._run.model, self._run.loss, reset)

    def _log_step(self) -> None:
        run = self._run
        if run.is_primary and run.metrics_log.is_due(run.progress.total_batches_completed):
            run.log("step", {f"training_{name}": value for name, value in self._metrics().items()})

    # --- validation, checkpoints and stop requests

    def _validate_after_epoch(self) -> float | None:
        """Validate at the end of an epoch, unless the last update was already validated.

        Returns:
            The score, higher is better; None without validation.
        """
        run = self._run
        if not run.has_validation:
            return None
        if run.progress.last_validation != run.progress.total_batches_completed:
            self._validate(ModelSnapshot.of(cast(nn.Module, run.model)))
            run.communicator.barrier()
        return run.tracker.combined_score(run.metrics.validation)

    def _validate_within_epoch(self) -> bool:
        """Validate between two updates, if a validation is due; the training metrics of the epoch are kept.

        Returns:
            Whether it was due and the current weights are the best so far.
        """
        run = self._run
        every, total = run.validate_every_num_batches, run.progress.total_batches_completed
        if every is None or not run.has_validation:
            return False
        if total == 0 or total % every != 0 or run.progress.last_validation == total:
            return False
        model = cast(nn.Module, run.model)
        snapshot = ModelSnapshot.of(model)
        with local_metrics():  # these values are not used, so they need not be gathered from other processes
            metrics_of(run.model, reset=True)
        is_best = self._validate(snapshot)
        snapshot.restore(model)
        run.module.train()
        run.log("validation", {f"validation_{k}": v for k, v in run.metrics.validation.items()})
        return is_best

    def validation_loss(self, epoch: int) -> tuple[float, float | None, float]:
        """Run the model on the validation data; see `Validation.run`."""
        return Validation(self._trainer, self._callbacks).run()

    def _validate(self, snapshot: ModelSnapshot) -> bool:
        """Validate and update the metric tracker; if interrupted, restore `snapshot` and save a checkpoint.

        Returns:
            Whether the current weights are the best so far.

        Raises:
            TrainingInterrupted, KeyboardInterrupt: the process was asked to stop; the checkpoint is from before the
                validation, which is repeated after resuming.
        """
        run = self._run
        epoch = run.progress.epochs_completed
        # A repeated validation must see the same random numbers and data as the interrupted one.
        generators = run.generators.state_dict()
        position = run.validation_data.position()
        try:
            total, penalty, weight = self._validation_loss(epoch)
        except ValidationInterrupted:
            snapshot.restore(cast(nn.Module, run.model))
            run.generators.load_state_dict(generators)
            run.generators.restore()
            run.validation_data.hold(position)
            self._stop_on_request()
        metrics = metrics_log.get_metrics(run.model, total, penalty, None, None, weight, reset=True)
        run.metrics.validation = metrics
        run.tracker.add_metrics(metrics, epoch=epoch)
        if run.tracker.is_best_so_far():
            run.tracker.best_epoch_metrics = dict(metrics)
        run.progress.last_validation = run.progress.total_batches_completed
        return run.tracker.is_best_so_far()

    def _save_checkpoint_if_due(self) -> None:
        run = self._run
        if run.checkpointer is not None:
            run.checkpointer.maybe_save_checkpoint(
                self._trainer,
                run.progress.epochs_completed,
                run.progress.batches_in_epoch_completed,
            )

    def _stop_on_request(self) -> NoReturn:
        """Save a checkpoint and end the run.

        Raises:
            TrainingInterrupted: the process received SIGTERM.
            KeyboardInterrupt: the process received Ctrl-C.
        """
        run = self._run
        position = (run.progress.epochs_completed, run.progress.batches_in_epoch_completed)
        is_saved = run.checkpointer is not None and run.checkpointer.keeps_checkpoints
        if run.checkpointer is not None:
            run.checkpointer.save_checkpoint(self._trainer)
        run.interruption.raise_request(*position, is_saved)


def _overriding(callbacks: Sequence[TrainerCallback], hook: str) -> list[TrainerCallback]:
    """The callbacks that override a hook; the others need not be called in each step."""
    return [c for c in callbacks if getattr(type(c), hook) is not getattr(TrainerCallback, hook)]
