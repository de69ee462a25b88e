"""One pass over the validation data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import torch
from torch import distributed as dist
from torch import nn

from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.carried_states import fresh_states
from nlpreg.training.metric_reports import get_metrics
from nlpreg.training.metrics.metric import named_metrics
from nlpreg.training.metrics.ranks import local_metrics
from nlpreg.training.plain_modules import penalty_of
from nlpreg.training.progress import ProgressBar
from nlpreg.training.protocols import TensorDict, loader_length
from nlpreg.training.running_loss import RunningLoss

if TYPE_CHECKING:
    from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer


class ValidationInterrupted(Exception):
    """The process was asked to end in the middle of a validation."""


class Validation:
    """Looks how good the model is, without changing it.

    In a distributed run each process goes through all of its own batches, however many it has. Only a sharded model,
    or a metric that talks to the other processes whenever it is called, makes them end with the shortest.

    Args:
        trainer: whose model is looked at.
    """

    def __init__(self, trainer: GradientDescentTrainer) -> None:
        self._trainer = trainer
        self._data = trainer._validation_data
        self._running = RunningLoss("the validation", check=False)
        self._has_penalty = penalty_of(trainer.model) is not None
        self._on_batch = [c for c in trainer._callbacks if type(c).on_batch is not TrainerCallback.on_batch]

    def run(self) -> dict[str, float]:
        """The metrics over all validation data of all processes.

        Raises:
            ValidationInterrupted: the process was asked to end.
        """
        trainer = self._trainer
        trainer._pytorch_model.eval()
        average = trainer._moving_average
        if average is not None:
            average.assign_average_value()
        try:
            with torch.no_grad(), fresh_states(trainer.model), self._progress_bar() as bar:
                for batch in self._batches():
                    self._step(batch)
                    bar.advance(self._local_metrics)
                metrics = self._final_metrics()
                bar.finish(metrics)
        finally:
            if average is not None:
                average.restore()
        return metrics

    def _progress_bar(self) -> ProgressBar:
        length = None if self._data.loader is None else loader_length(self._data.loader)
        return ProgressBar(length, 0, "validation", self._trainer._primary)

    def _batches(self) -> Iterator[TensorDict]:
        trainer = self._trainer
        self._data.start_epoch()
        batches = iter(self._data)
        in_step = trainer._distributed and self._has_to_keep_step()
        while True:
            batch = next(batches, None)
            if in_step and trainer._lockstep.agree(int(batch is not None), False)[0] == 0:
                return
            if batch is None:
                return
            if not trainer._distributed and trainer._interruption.requested is not None:
                raise ValidationInterrupted
            yield batch

    def _has_to_keep_step(self) -> bool:
        trainer = self._trainer
        if trainer._ddp_wrapped_model is not None and trainer._ddp_wrapped_model.is_sharded:
            return True
        metrics = named_metrics(cast(nn.Module, trainer.model))
        return any(not type(metric).__module__.startswith("nlpreg.") for _, metric in metrics)

    def _step(self, batch: TensorDict) -> None:
        trainer = self._trainer
        with trainer._precision.autocast():
            outputs = trainer.batch_outputs(batch, for_training=False)
        loss = outputs.get("loss")
        if loss is not None:
            self._running.add(loss, outputs.get("reg_loss"))
        wanted = any(callback.wants_batch_metrics(trainer, False) for callback in self._on_batch)
        metrics = self._local_metrics() if wanted else {}
        for callback in self._on_batch:
            callback.on_batch(
                trainer,
                [batch],
                [outputs],
                metrics,
                trainer._epochs_completed,
                self._running.count,
                is_training=False,
                is_primary=trainer._primary,
            )

    def _local_metrics(self) -> dict[str, float]:
        running = self._running
        with local_metrics():
            return get_metrics(
                self._trainer.model,
                running.total,
                self._reg_total(running.total_reg),
                running.last,
                running.last_reg,
                running.count,
            )

    def _final_metrics(self) -> dict[str, float]:
        running = self._running
        sums = [running.total, running.total_reg, float(running.count)]
        if self._trainer._distributed:
            device = "cpu" if dist.get_backend() != "nccl" else self._trainer.cuda_device
            together = torch.tensor(sums, dtype=torch.float64, device=device)
            dist.all_reduce(together)
            sums = together.tolist()
        total, total_reg, count = sums
        return get_metrics(
            self._trainer.model, total, self._reg_total(total_reg), None, None, int(count), reset=True
        )

    def _reg_total(self, total: float) -> float | None:
        """The sum of penalties, for models that have some in training; none are added in validation."""
        return total if self._has_penalty else None
