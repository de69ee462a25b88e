"""Validation during a run, and evaluation of a trained model."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any, cast

import torch
from torch import nn

from nlpreg.common import Tqdm
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.files import atomic_write
from nlpreg.common.sanitize import json_text, sanitize
from nlpreg.common.util import dump_metrics, int_to_device, is_distributed
from nlpreg.data.data_loaders.data_loader import DataLoader
from nlpreg.training import protocols
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.communicator import make_communicator
from nlpreg.training.losses import RunningLoss, weight_of
from nlpreg.training.metrics.metric import local_metrics, named_metrics
from nlpreg.training.metrics_log import ProgressBar, metrics_with_loss
from nlpreg.training.run import RunningTrainer
from nlpreg.training.state import fresh_states


class ValidationInterrupted(Exception):
    """The process was asked to stop during a validation."""


class Validation:
    """Evaluates the model on the validation data.

    In a distributed run each process evaluates all of its own batches, even if it has more than others. With a sharded
    model, or a metric that communicates in every call, all processes stop when one of them runs out of batches.

    Args:
        trainer: the trainer, which runs the model.
        callbacks: the callbacks of the run.
    """

    def __init__(self, trainer: RunningTrainer, callbacks: Sequence[TrainerCallback]) -> None:
        self._trainer = trainer
        self._run = trainer.run
        self._data = trainer.run.validation_data
        # a penalty of 0 is reported: validation adds none
        has_penalty = protocols.penalty_of(trainer.model) is not None
        self._loss = RunningLoss("the validation", False, trainer.run.loss_is_sum, has_penalty)
        self._on_batch = [c for c in callbacks if type(c).on_batch is not TrainerCallback.on_batch]
        self._num_batches = 0

    def run(self) -> tuple[float, float | None, float]:
        """Evaluate all batches; afterwards the model's metrics are those of the validation.

        Returns:
            The weighted sum of the losses over all processes, that of the penalties (None for a model without one),
            and the sum of the weights.

        Raises:
            ValidationInterrupted: the process was asked to stop.
            ConfigurationError: there was not a single batch.
        """
        run = self._run
        run.module.eval()
        average = run.moving_average
        if average is not None:
            average.assign_average_value()
        try:
            # the hidden states of stateful encoders must not carry over between training and validation texts
            with torch.no_grad(), fresh_states(run.model), self._progress_bar() as bar:
                for batch in self._batches():
                    self._step(batch)
                    bar.advance(self._local_metrics)
                sums = self._sums()
        finally:
            if average is not None:
                average.restore()
        return sums

    def _sums(self) -> tuple[float, float | None, float]:
        """The loss over all processes, as `run` returns it; an error if none of them had any data."""
        num_batches = sum(self._run.communicator.all_gather(self._num_batches))
        if num_batches == 0:
            raise _no_batches("the validation data", "validation_data_path")
        return self._loss.sums_of_all(self._run.communicator)[:3]

    def _progress_bar(self) -> ProgressBar:
        length = None if self._data.loader is None else protocols.loader_length(self._data.loader)
        return ProgressBar(length, 0, "validation", self._run.is_primary)

    def _batches(self) -> Iterator[protocols.TensorDict]:
        run = self._run
        is_distributed_run = run.communicator.size > 1
        self._data.start_epoch()
        batches = iter(self._data)
        in_lockstep = is_distributed_run and self._needs_lockstep()
        while True:
            batch = next(batches, None)
            if in_lockstep and run.communicator.agree(int(batch is not None), False)[0] == 0:
                return
            if batch is None:
                return
            # Several processes would have to agree on the batch to stop at, so they finish the validation.
            if not is_distributed_run and run.interruption.requested is not None:
                raise ValidationInterrupted
            self._num_batches += 1
            yield batch

    def _needs_lockstep(self) -> bool:
        if self._run.is_sharded:
            return True
        # Metrics of nlpreg communicate in `get_metric` only. Others may communicate in every call, and would wait
        # forever for a process that has no batch left.
        metrics = named_metrics(cast(nn.Module, self._run.model))
        return any(not type(metric).__module__.startswith("nlpreg.") for _, metric in metrics)

    def _step(self, batch: protocols.TensorDict) -> None:
        trainer, run = self._trainer, self._run
        with run.precision.autocast():
            outputs = trainer.batch_outputs(batch, for_training=False)
        loss = outputs.get("loss")
        if loss is not None:
            self._loss.add(loss, outputs.get("reg_loss"), weight_of(outputs))
        wanted = any(callback.wants_batch_metrics(trainer, False) for callback in self._on_batch)
        metrics = self._local_metrics() if wanted else {}
        for callback in self._on_batch:
            callback.on_batch(
                trainer,
                [batch],
                [outputs],
                metrics,
                run.progress.epochs_completed,
                self._loss.count,
                is_training=False,
                is_primary=run.is_primary,
            )

    def _local_metrics(self) -> dict[str, float]:
        return metrics_with_loss(self._run.model, self._loss)


PredictionLine = Callable[[protocols.TensorDict, protocols.ModelOutputs], str]
"""Makes a line of the predictions file from a batch and the model's outputs for it."""


def evaluate(
    model: protocols.ReadableModel,
    data_loader: DataLoader,
    cuda_device: int | torch.device = -1,
    batch_weight_key: str | None = None,
    output_file: str | os.PathLike[str] | None = None,
    predictions_output_file: str | os.PathLike[str] | None = None,
    prediction_line: PredictionLine | None = None,
) -> dict[str, Any]:
    """Compute the metrics of a model on data; in a distributed run all processes call this, each with its share of the data.

    Args:
        model: the model, already on the device.
        data_loader: the data.
        cuda_device: the device.
        batch_weight_key: name of the output with the weight of a batch in the mean loss; by default `batch_weight`, or
            equal weights if the model does not report it.
        output_file: file for the metrics, as JSON.
        predictions_output_file: file for the readable outputs, one line of JSON for each batch.
        prediction_line: makes that line, without a newline, in place of JSON.

    Returns:
        The model's metrics, and `loss` if the model computed one.

    Raises:
        RuntimeError: the model computed a loss for some batches but not for others.
        ConfigurationError: there is not a single batch, or the model has no output `batch_weight_key`.
    """
    device = int_to_device(cuda_device)
    data_loader.set_target_device(device)
    predictions: AbstractContextManager[IO[str] | None] = (
        nullcontext() if predictions_output_file is None else atomic_write(predictions_output_file, "w")
    )
    loss = RunningLoss("the evaluation", check=False, loss_is_sum=bool(getattr(model, "loss_is_sum", False)))
    num_batches = 0
    model.eval()
    tqdm = Tqdm.tqdm(data_loader, desc="evaluating")
    with torch.no_grad(), fresh_states(model), predictions as file, tqdm as bar:
        for batch in bar:
            num_batches += 1
            outputs = model(**batch)
            if outputs.get("loss") is not None:
                loss.add(outputs["loss"], weight=_checked_weight(outputs, batch_weight_key))
            if file is not None:
                if prediction_line is None:
                    line = json_text(sanitize(model.make_output_human_readable(outputs)))
                else:
                    line = prediction_line(batch, outputs)
                file.write(line + "\n")
            if _is_refreshed(bar):
                bar.set_description(_description(model, loss), refresh=False)
        # checked inside the block, so that an error leaves no file of predictions
        if 0 < loss.count < num_batches:
            raise RuntimeError(
                f"evaluation: expected a loss for every batch or for none, got {loss.count} for {num_batches} batches; "
                "are some labels missing in the data?"
            )
        communicator = make_communicator(is_distributed())
        if sum(communicator.all_gather(num_batches)) == 0:
            raise _no_batches("the data to evaluate on", "the data path")
    metrics: dict[str, Any] = protocols.metrics_of(model, reset=True)
    total, _, weight, count = loss.sums_of_all(communicator)
    if count > 0:
        metrics["loss"] = total / weight if weight else float("nan")
    if output_file is not None:
        dump_metrics(os.fspath(output_file), metrics, log=True)
    return metrics


def _no_batches(data: str, key: str) -> ConfigurationError:
    return ConfigurationError(
        f"{key}: there is no batch in {data}, so there is nothing to evaluate; is the file empty, in another format "
        "than the dataset reader expects, or shorter than one batch of a loader that drops the last one?"
    )


def _checked_weight(outputs: protocols.ModelOutputs, key: str | None) -> torch.Tensor | float | None:
    if key and outputs.get(key) is None:
        known = [name for name in outputs if not name.startswith("_")]
        raise ConfigurationError(
            f"batch_weight_key: expected an output of the model ({', '.join(known)}), got {key!r}"
        )
    return weight_of(outputs, key or "batch_weight")


def _is_refreshed(bar: Any) -> bool:
    """Whether the next update draws the bar; metrics are computed only then."""
    return not bar.disable and bool(bar.n - bar.last_print_n >= bar.miniters)


def _description(model: protocols.ReadableModel, loss: RunningLoss) -> str:
    with local_metrics():
        metrics = protocols.metrics_of(model)
    if loss.count and loss.weight:
        metrics["loss"] = loss.total / loss.weight
    shown = (f"{name}: {value:.2f}" for name, value in metrics.items() if not name.startswith("_"))
    return ", ".join(shown) + " ||"
