"""One pass over data with a trained model: metrics, and perhaps predictions."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any

import torch
from torch import Tensor

from nlpreg.common import Tqdm
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.files import atomic_write
from nlpreg.common.util import dump_metrics, int_to_device, is_distributed, sanitize
from nlpreg.data.data_loaders.data_loader import DataLoader
from nlpreg.nn.util import dist_reduce_sum
from nlpreg.training.carried_states import fresh_states
from nlpreg.training.metrics.ranks import local_metrics
from nlpreg.training.plain_modules import metrics_of
from nlpreg.training.protocols import ModelOutputs, ReadableModel, TensorDict

logger = logging.getLogger(__name__)

PredictionLine = Callable[[TensorDict, ModelOutputs], str]


class _WeightedLoss:
    """A weighted mean of losses that stays on the device until it is read."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Tensor | float = 0.0
        self._weight: Tensor | float = 0.0

    def add(self, loss: Tensor, weight: Tensor | float) -> None:
        self.count += 1
        self._sum = self._sum + loss.detach().double() * weight
        self._weight = self._weight + weight

    def mean(self) -> float:
        weight = float(self._weight)
        return float(self._sum) / weight if weight else 0.0

    def mean_of_all_processes(self) -> float:
        total, weight = dist_reduce_sum(float(self._sum)), dist_reduce_sum(float(self._weight))
        return total / weight if weight else 0.0


def evaluate(
    model: ReadableModel,
    data_loader: DataLoader,
    cuda_device: int | torch.device = -1,
    batch_weight_key: str | None = None,
    output_file: str | os.PathLike[str] | None = None,
    predictions_output_file: str | os.PathLike[str] | None = None,
    prediction_line: PredictionLine | None = None,
) -> dict[str, Any]:
    """The metrics of a model on data. In a distributed run all processes take part, each with its share of the data.

    Args:
        model: the model, already on the device.
        data_loader: the data.
        cuda_device: the device.
        batch_weight_key: the output that says how much a batch counts in the mean loss; 1 each without.
        output_file: the metrics are written here, as JSON.
        predictions_output_file: the readable outputs are written here, one line of JSON for each batch.
        prediction_line: makes that line, without its end, from a batch and the model's outputs for it.

    Returns:
        The model's metrics, and `loss` if the model computed any.

    Raises:
        RuntimeError: the model computed a loss for some batches only.
        ConfigurationError: the model has no output `batch_weight_key`.
    """
    device = int_to_device(cuda_device)
    data_loader.set_target_device(device)
    predictions: AbstractContextManager[IO[str] | None] = (
        nullcontext() if predictions_output_file is None else atomic_write(predictions_output_file, "w")
    )
    loss = _WeightedLoss()
    num_batches = 0
    model.eval()
    tqdm = Tqdm.tqdm(data_loader, desc="evaluating")
    with torch.no_grad(), fresh_states(model), predictions as file, tqdm as bar:
        for batch in bar:
            num_batches += 1
            outputs = model(**batch)
            if outputs.get("loss") is not None:
                loss.add(outputs["loss"], _weight(outputs, batch_weight_key))
            if file is not None:
                line = (
                    _readable_outputs(model, outputs)
                    if prediction_line is None
                    else prediction_line(batch, outputs)
                )
                file.write(line + "\n")
            if _is_refreshed(bar):
                bar.set_description(_description(model, loss), refresh=False)
    if 0 < loss.count < num_batches:
        raise RuntimeError(
            f"evaluation: expected a loss for every batch or for none, got {loss.count} for {num_batches} batches; are "
            "some labels missing in the data?"
        )
    metrics: dict[str, Any] = metrics_of(model, reset=True)
    if loss.count > 0:
        metrics["loss"] = loss.mean_of_all_processes() if is_distributed() else loss.mean()
    if output_file is not None:
        dump_metrics(os.fspath(output_file), metrics, log=True)
    return metrics


def _readable_outputs(model: ReadableModel, outputs: ModelOutputs) -> str:
    return json.dumps(sanitize(model.make_output_human_readable(outputs)))


def _weight(outputs: dict[str, Any], key: str | None) -> Tensor | float:
    if not key:
        return 1.0
    weight = outputs.get(key)
    if weight is None:
        raise ConfigurationError(
            f"batch_weight_key: expected an output of the model ({', '.join(outputs)}), got {key!r}"
        )
    return weight.detach().double().reshape(()) if isinstance(weight, Tensor) else float(weight)


def _is_refreshed(bar: Any) -> bool:
    """Whether the bar is about to be drawn, so that it is worth computing what it shows."""
    return not bar.disable and bool(bar.n - bar.last_print_n >= bar.miniters)


def _description(model: ReadableModel, loss: _WeightedLoss) -> str:
    with local_metrics():
        metrics = metrics_of(model)
    if loss.count:
        metrics["loss"] = loss.mean()
    shown = (f"{name}: {value:.2f}" for name, value in metrics.items() if not name.startswith("_"))
    return ", ".join(shown) + " ||"
