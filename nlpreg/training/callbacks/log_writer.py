"""`LogWriterCallback`, the base class of callbacks that write values for plots, and statistics of parameters and activations."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.metrics_log import get_train_and_validation_metrics
from nlpreg.training.protocols import GradientNorm, MetricValues, ModelOutputs, TensorDict
from nlpreg.training.util import get_batch_size

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer


@torch.no_grad()
def parameter_statistics(model: nn.Module) -> dict[str, Tensor]:
    """Mean and standard deviation of each parameter and its gradient; only the mean for single values."""
    scalars: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        scalars.update(_mean_and_deviation("parameter", name, parameter.detach()))
        gradient = parameter.grad
        if gradient is not None:
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            scalars.update(_mean_and_deviation("gradient", name, values))
    return scalars


def _mean_and_deviation(kind: str, name: str, values: Tensor) -> dict[str, Tensor]:
    if values.numel() == 0:
        return {}
    scalars = {f"{kind}_mean/{name}": values.mean()}
    if values.numel() > 1:
        scalars[f"{kind}_std/{name}"] = values.std()
    return scalars


def learning_rates(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """The learning rate of each parameter; 0 for frozen ones."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: float(group["lr"]) if parameter.requires_grad else 0.0
        for group in optimizer.param_groups
        if group.get("lr") is not None
        for parameter in group["params"]
        if parameter in names
    }


def activations_by_name(module: nn.Module, outputs: Any) -> dict[str, Tensor]:
    """The tensors that a module returned, named after its class and the index or key of each."""
    name = type(module).__name__
    if isinstance(outputs, Tensor):
        return {name: outputs.detach()}
    if isinstance(outputs, (list, tuple)):
        outputs = dict(enumerate(outputs))
    items = outputs.items() if isinstance(outputs, dict) else ()
    return {f"{name}_{key}": value.detach() for key, value in items if isinstance(value, Tensor)}


class LogWriterCallback(TrainerCallback):
    """Collects values of a run for plots; subclasses write them to a service or a file.

    Only the primary process writes. Values of training batches and of whole epochs are written.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        summary_interval: number of updates between two writings of scalars.
        distribution_interval: number of updates between two writings of histograms; None for never.
        batch_size_interval: number of updates between two writings of the batch size; None for never.
        should_log_parameter_statistics: whether to write mean and standard deviation of each parameter and its gradient.
        should_log_learning_rate: whether to write the learning rate of each parameter.
        batch_loss_moving_average_count: number of logged losses in their moving average.
    """

    reads_batch_outputs = False

    def __init__(
        self,
        serialization_dir: str | os.PathLike[str],
        summary_interval: int = 100,
        distribution_interval: int | None = None,
        batch_size_interval: int | None = None,
        should_log_parameter_statistics: bool = True,
        should_log_learning_rate: bool = False,
        batch_loss_moving_average_count: int = 100,
    ) -> None:
        super().__init__(serialization_dir)
        self._summary_interval = summary_interval
        self._distribution_interval = distribution_interval
        self._batch_size_interval = batch_size_interval
        self._should_log_parameter_statistics = should_log_parameter_statistics
        self._should_log_learning_rate = should_log_learning_rate
        self._recent: dict[str, deque[float]] = {
            name: deque(maxlen=batch_loss_moving_average_count) for name in ("batch_loss", "batch_reg_loss")
        }
        self._num_instances = 0
        self._num_batches = 0
        self._hooks: list[RemovableHandle] = []
        self._activations: dict[str, Tensor] = {}
        self._previous_values: dict[str, Tensor] = {}

    def log_scalars(
        self, scalars: Mapping[str, float | Tensor], log_prefix: str = "", epoch: int | None = None
    ) -> None:
        """Write numbers.

        Args:
            scalars: the numbers by name.
            log_prefix: prefix of the names, separated by a slash.
            epoch: the epoch of the numbers; None for the current update.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement log_scalars")

    def log_tensors(
        self, tensors: Mapping[str, Tensor], log_prefix: str = "", epoch: int | None = None
    ) -> None:
        """Write histograms of tensors; the arguments are those of `log_scalars`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement log_tensors")

    def log_inputs(self, inputs: list[TensorDict], log_prefix: str = "") -> None:
        """Write the inputs of the first update of each epoch; does nothing in the base class."""

    def close(self) -> None:
        """Called once at the end of the run, to close files or connections."""

    def on_start(self, trainer: RunningTrainer, is_primary: bool = True, **kwargs: Any) -> None:
        """Start recording the activations of modules with `should_log_activations`."""
        super().on_start(trainer, is_primary, **kwargs)
        if not is_primary or self._distribution_interval is None:
            return
        for _, module in trainer.model.named_modules():
            if getattr(module, "should_log_activations", False):
                self._hooks.append(module.register_forward_hook(self._record_activations))

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
        """Write the values that are due after this update."""
        if not is_training or not is_primary:
            return
        if batch_number == 1:
            self.log_inputs(batch_inputs)
        updates = self._updates(trainer) if self._is_due(self._distribution_interval, 0) else None
        self.log_batch(batch_grad_norm, batch_metrics, batch_inputs, updates, batch_number)
        if self._is_due(self._distribution_interval, 1):  # to compute the change of the next update
            self._previous_values = self._values(trainer)

    def on_epoch(
        self,
        trainer: RunningTrainer,
        metrics: MetricValues,
        epoch: int,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Write the metrics of the epoch."""
        if is_primary:
            self.log_epoch(*get_train_and_validation_metrics(metrics), epoch)
            self._num_instances = self._num_batches = 0

    def on_end(
        self,
        trainer: RunningTrainer,
        metrics: MetricValues | None = None,
        epoch: int | None = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Remove the hooks and close the log."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        if is_primary:
            self.close()

    def wants_batch_metrics(self, trainer: RunningTrainer, is_training: bool) -> bool:
        """Whether scalars are due."""
        return is_training and trainer.run.progress.total_batches_completed % self._summary_interval == 0

    def log_batch(
        self,
        batch_grad_norm: GradientNorm,
        metrics: MetricValues,
        batch_group: list[TensorDict],
        param_updates: dict[str, Tensor] | None,
        batch_number: int,
    ) -> None:
        """Write the values that are due after an update.

        Args:
            batch_grad_norm: norm of the gradient, if it was computed.
            metrics: metrics of the epoch so far.
            batch_group: the batches of the update.
            param_updates: the change of each parameter in the update; None unless histograms are due.
            batch_number: number of the update in the epoch, from 1.
        """
        assert self.trainer is not None
        model = cast(nn.Module, self.trainer.model)
        if self._is_due(self._summary_interval, 0):
            self._log_losses(dict(metrics))
            if self._should_log_parameter_statistics:
                self.log_scalars(parameter_statistics(model))
                if batch_grad_norm is not None:
                    self.log_scalars({"gradient_norm": batch_grad_norm})
            if self._should_log_learning_rate:
                self.log_scalars(learning_rates(model, self.trainer.optimizer), "learning_rate")
        if self._batch_size_interval is not None:
            self._log_batch_size(batch_group, batch_number)
        if param_updates is not None:
            self._log_histograms(model, param_updates)

    def log_epoch(self, train_metrics: MetricValues, val_metrics: MetricValues, epoch: int) -> None:
        """Write the numeric metrics of an epoch."""
        for prefix, values in (("train", train_metrics), ("validation", val_metrics)):
            numbers = {
                name: value
                for name, value in values.items()
                if isinstance(value, (int, float)) and "_memory_MB" not in name
            }
            self.log_scalars(numbers, prefix, epoch=epoch)

    def _log_losses(self, metrics: dict[str, Any]) -> None:
        scalars: dict[str, float] = {}
        for name, recent in self._recent.items():
            value = metrics.pop(name, None)
            if value is not None:
                recent.append(value)
                scalars[name] = value
                scalars[f"{name}_mov_avg"] = sum(recent) / len(recent)
        for name, value in metrics.items():
            scalars.setdefault(f"batch_{name}", value)
        self.log_scalars(scalars, "train")

    def _log_batch_size(self, batch_group: list[TensorDict], batch_number: int) -> None:
        size = sum(get_batch_size(batch) for batch in batch_group)
        self._num_instances += size
        self._num_batches += 1
        if self._batch_size_interval and batch_number % self._batch_size_interval == 0:
            mean = self._num_instances / self._num_batches
            self.log_scalars({"batch_size": size, "mean_batch_size": mean}, "train")

    def _log_histograms(self, model: nn.Module, updates: dict[str, Tensor]) -> None:
        parameters = dict(model.named_parameters())
        shown = getattr(model, "get_parameters_for_histogram_logging", lambda: list(parameters))()
        self.log_tensors({name: parameters[name].detach() for name in shown}, "parameter_histogram")
        shares = {
            name: update.norm() / (parameters[name].detach().norm() + 1e-7)
            for name, update in updates.items()
        }
        self.log_scalars(shares, "gradient_update")
        if self._activations:
            self.log_tensors(self._activations, "activation_histogram")
            self._activations = {}

    def _is_due(self, interval: int | None, ahead: int) -> bool:
        """Whether an interval ends with the current update, or with the one `ahead` updates later."""
        assert self.trainer is not None
        return (
            interval is not None
            and (self.trainer.run.progress.total_batches_completed + ahead) % interval == 0
        )

    def _values(self, trainer: RunningTrainer) -> dict[str, Tensor]:
        return {
            name: parameter.detach().cpu().clone()
            for name, parameter in trainer.model.named_parameters()
            if parameter.requires_grad
        }

    def _updates(self, trainer: RunningTrainer) -> dict[str, Tensor]:
        previous, self._previous_values = self._previous_values, {}
        current = self._values(trainer)
        return {name: current[name] - previous[name] for name in previous if name in current}

    @torch.no_grad()
    def _record_activations(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        if self._is_due(self._distribution_interval, 1) and module.training:
            self._activations.update(activations_by_name(module, outputs))
