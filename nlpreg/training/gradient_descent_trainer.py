"""`GradientDescentTrainer`: epochs of updates by gradient descent, with validation and checkpoints between them."""

import importlib
import logging
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from math import ceil, inf
from operator import attrgetter
from typing import Any, cast

import torch
from torch import nn

from nlpreg.common import Lazy
from nlpreg.common.checks import ConfigurationError, check_at_least, check_patterns, check_patterns_match
from nlpreg.nn.parallel import DdpAccelerator, DdpWrappedModel, TorchDdpAccelerator
from nlpreg.training import gradients, protocols
from nlpreg.training.callbacks import ConfidenceChecksCallback, ConsoleLoggerCallback, TrainerCallback
from nlpreg.training.checkpointer import Checkpointer
from nlpreg.training.communicator import make_communicator
from nlpreg.training.data_feed import DataFeed
from nlpreg.training.interruption import InterruptionGuard
from nlpreg.training.learning_rate_schedulers import LearningRateScheduler
from nlpreg.training.loop import TrainingLoop
from nlpreg.training.metric_tracker import MetricTracker
from nlpreg.training.metrics_log import MetricsLog, RunMetrics, metrics_without_epoch
from nlpreg.training.momentum_schedulers import MomentumScheduler
from nlpreg.training.moving_average import MovingAverage
from nlpreg.training.optimizers import Optimizer, check_group_options
from nlpreg.training.run import TrainingRun, steps_per_epoch
from nlpreg.training.trainer import Trainer, TrainerCheckpoint, check_world_size, resolve_device

logger = logging.getLogger(__name__)

DEFAULT_CALLBACKS: tuple[type[TrainerCallback], ...] = (ConsoleLoggerCallback,)
"""Added to every run that has no callback of the same class, unless `enable_default_callbacks` is false."""

_DDP_PREFIX = "module."


def check_options(
    patience: int | None,
    validation_metric: str | list[str] = "-loss",
    num_epochs: int = 20,
    num_gradient_accumulation_steps: int = 1,
    validate_every_num_batches: int | None = None,
    metrics_interval: int = 100,
    grad_clipping: float | None = None,
    no_grad: list[str] | None = None,
    distributed: bool = False,
    world_size: int = 1,
    has_validation: bool = False,
    grad_norm: float | bool = False,
    max_steps: int | None = None,
    keep_metrics_of_epochs: int | None = None,
) -> None:
    """Check the options of the trainer, which have the same names there; also called by `nlpreg check`.

    Args:
        has_validation: whether there is validation data.

    Raises:
        ConfigurationError: an option is invalid.
    """
    if patience is not None and (type(patience) is not int or patience <= 0):
        raise ConfigurationError(
            f"trainer.patience: expected an integer above 0 or null, got {patience!r}; null never stops early"
        )
    if patience is None and has_validation:
        logger.info("trainer.patience is not set, so training does not stop early")
    MetricTracker(validation_metric, patience)  # raises on a metric without a sign
    check_at_least(
        0,
        num_epochs=num_epochs,
        keep_metrics_of_epochs=keep_metrics_of_epochs,
        grad_clipping=grad_clipping,
        grad_norm=grad_norm,
    )
    check_at_least(
        1,
        num_gradient_accumulation_steps=num_gradient_accumulation_steps,
        validate_every_num_batches=validate_every_num_batches,
        metrics_interval=metrics_interval,
        max_steps=max_steps,
    )
    check_patterns(no_grad=no_grad)
    check_world_size(distributed, world_size)


class _RunAttribute:
    """An attribute of the trainer that has AllenNLP's name and is stored in the trainer's run.

    Callbacks and trainers of plugins read and set these attributes although their names begin with an underscore.

    Args:
        path: path of the attribute in the run, such as `progress.epochs_completed`.
    """

    def __init__(self, path: str) -> None:
        owner, _, self._name = f"run.{path}".rpartition(".")
        self._owner = attrgetter(owner)

    def __get__(self, trainer: Any, owner: Any = None) -> Any:
        return self if trainer is None else getattr(self._owner(trainer), self._name)

    def __set__(self, trainer: Any, value: Any) -> None:
        setattr(self._owner(trainer), self._name, value)


class GradientDescentTrainer(Trainer):
    """Trains a model by gradient descent on one device, in a single process or as one of several.

    A run is: epochs: { updates, validation, `metrics_epoch_*.json`, schedulers, callbacks, checkpoint, best weights }
    until `num_epochs` are done or patience is exhausted; then the best weights are loaded into the model. A run that
    finds a checkpoint in its folder resumes from it and ends with the same bits as a run that was never interrupted.

    All state is in `run`, a `TrainingRun`. The trainer itself has the options, AllenNLP's names, and the methods that a
    subclass may override: `batch_outputs`, `rescale_gradients`, `clip_gradient`, `_try_train`, `_train_epoch` and
    `_validation_loss`.

    Args:
        model: the model; its forward pass returns a dictionary with `loss`.
        optimizer: updates the parameters.
        data_loader: training data.
        patience: number of consecutive validations without improvement after which training stops; None for never.
        validation_metric: the metric that decides which weights are best, with a leading `+` (higher is better) or `-`
            (lower is better); or a list of such metrics, whose sum decides.
        validation_data_loader: validation data.
        num_epochs: number of epochs.
        serialization_dir: folder for everything the run writes.
        checkpointer: saves the state of the run; None for no checkpoints.
        cuda_device: number of a GPU, or -1 for the CPU; by default GPU 0 if there is one.
        grad_norm: gradients are scaled down to this norm, a number; true to measure their norm only.
        grad_clipping: each element of each gradient is clipped to [-grad_clipping, grad_clipping].
        learning_rate_scheduler: changes the learning rate during the run.
        momentum_scheduler: changes the momentum during the run.
        moving_average: averages the weights; the averages are what is validated and kept as the best.
        callbacks: hooks into the run.
        distributed: whether this is one of several processes that train the model together.
        local_rank: number of this process on its machine.
        world_size: number of processes.
        num_gradient_accumulation_steps: number of batches whose gradients are accumulated for one update.
        use_amp: whether to compute in half precision where that is safe.
        enable_default_callbacks: whether to add `DEFAULT_CALLBACKS`.
        run_confidence_checks: whether to check the model for likely mistakes on the first batch.
        grad_scaling: whether to scale the loss so that float16 gradients do not underflow.
        ddp_wrapped_model: the model as wrapped for a distributed run.
        run_sanity_checks: the older name of `run_confidence_checks`.
        amp_dtype: the half precision; by default float16 on GPUs and bfloat16 on CPUs.
        validate_every_num_batches: also validate, and decide whether to stop, each time this many updates are done;
            these validations count towards patience.
        metrics_interval: number of updates between two lines of `metrics.jsonl`.
        detect_anomaly: whether to report the operation that made a gradient NaN; slow.
        compile: whether to compile the forward pass with `torch.compile`, once for batches of all lengths.
        max_steps: number of updates after which the run ends; if given, `num_epochs` is ignored.
        keep_metrics_of_epochs: number of most recent epochs whose `metrics_epoch_*.json` are kept; null for all.
            `metrics.jsonl` keeps the metrics of all epochs.

    Attributes:
        run: the parts of the run and its progress.

    Raises:
        ConfigurationError: an option is invalid.
        ValueError: `distributed` without `ddp_wrapped_model`.
    """

    check_arguments = staticmethod(check_options)

    model: protocols.TrainableModel = cast(Any, _RunAttribute("model"))
    optimizer: torch.optim.Optimizer = cast(Any, _RunAttribute("optimizer"))
    data_loader: protocols.BatchLoader = cast(Any, _RunAttribute("training_data.loader"))
    _validation_data_loader = _RunAttribute("validation_data.loader")
    _metric_tracker = _RunAttribute("tracker")
    _learning_rate_scheduler = _RunAttribute("learning_rate_scheduler")
    _momentum_scheduler = _RunAttribute("momentum_scheduler")
    _moving_average = _RunAttribute("moving_average")
    _checkpointer = _RunAttribute("checkpointer")
    _num_epochs = _RunAttribute("num_epochs")
    _num_gradient_accumulation_steps = _RunAttribute("num_gradient_accumulation_steps")
    _epochs_completed = _RunAttribute("progress.epochs_completed")
    _batches_in_epoch_completed = _RunAttribute("progress.batches_in_epoch_completed")
    _total_batches_completed = _RunAttribute("progress.total_batches_completed")
    _best_model_filename = _RunAttribute("best_weights_path")
    _should_validate_this_epoch = _RunAttribute("should_validate_this_epoch")
    _scaler = _RunAttribute("precision.scaler")
    _use_amp = _RunAttribute("precision.use_amp")
    _ddp_wrapped_model = _RunAttribute("wrapped_model")

    def __init__(
        self,
        model: protocols.TrainableModel,
        optimizer: torch.optim.Optimizer,
        data_loader: protocols.BatchLoader,
        patience: int | None = None,
        validation_metric: str | list[str] = "-loss",
        validation_data_loader: protocols.BatchLoader | None = None,
        num_epochs: int = 20,
        serialization_dir: str | os.PathLike[str] | None = None,
        checkpointer: Checkpointer | None = None,
        cuda_device: int | torch.device | None = None,
        grad_norm: float | bool = False,
        grad_clipping: float | None = None,
        learning_rate_scheduler: LearningRateScheduler | None = None,
        momentum_scheduler: MomentumScheduler | None = None,
        moving_average: MovingAverage | None = None,
        callbacks: list[TrainerCallback] | None = None,
        distributed: bool = False,
        local_rank: int = 0,
        world_size: int = 1,
        num_gradient_accumulation_steps: int = 1,
        use_amp: bool = False,
        enable_default_callbacks: bool = True,
        run_confidence_checks: bool = True,
        grad_scaling: bool = True,
        ddp_wrapped_model: DdpWrappedModel | None = None,
        run_sanity_checks: bool | None = None,
        amp_dtype: gradients.HalfDtype | None = None,
        validate_every_num_batches: int | None = None,
        metrics_interval: int = 100,
        detect_anomaly: bool = False,
        compile: bool = False,
        max_steps: int | None = None,
        keep_metrics_of_epochs: int | None = 50,
    ) -> None:
        super().__init__(serialization_dir, cuda_device, distributed, local_rank, world_size)
        if distributed and ddp_wrapped_model is None:
            raise ValueError("trainer: expected ddp_wrapped_model with distributed=True, got None")
        self.check_arguments(
            patience,
            validation_metric,
            num_epochs,
            num_gradient_accumulation_steps,
            validate_every_num_batches,
            metrics_interval,
            has_validation=validation_data_loader is not None,
            max_steps=max_steps,
            keep_metrics_of_epochs=keep_metrics_of_epochs,
        )
        if validate_every_num_batches is not None and validation_data_loader is data_loader:
            raise ConfigurationError(
                "trainer.validate_every_num_batches: expected a separate validation data loader, got that of the training "
                "data, which would lose its position in the epoch"
            )
        if run_sanity_checks is not None:
            warnings.warn("run_sanity_checks is now run_confidence_checks", DeprecationWarning, stacklevel=2)
            run_confidence_checks = run_sanity_checks
        self._grad_norm = grad_norm
        self._grad_clipping = grad_clipping
        self._detect_anomaly = detect_anomaly
        defaults = DEFAULT_CALLBACKS if enable_default_callbacks else ()
        self._callbacks = _all_callbacks(callbacks, defaults, run_confidence_checks, self._serialization_dir)
        self.run = TrainingRun(
            model=model,
            optimizer=optimizer,
            training_data=DataFeed(data_loader, self.cuda_device),
            validation_data=DataFeed(validation_data_loader, self.cuda_device),
            tracker=MetricTracker(validation_metric, patience),
            metrics_log=MetricsLog(self._serialization_dir if self._primary else None, metrics_interval),
            precision=_make_precision(self.cuda_device, use_amp, amp_dtype, grad_scaling, ddp_wrapped_model),
            serialization_dir=self._serialization_dir,
            communicator=make_communicator(distributed),
            is_primary=self._primary,
            wrapped_model=ddp_wrapped_model,
            learning_rate_scheduler=learning_rate_scheduler,
            momentum_scheduler=momentum_scheduler,
            moving_average=moving_average,
            checkpointer=checkpointer,
            callbacks=self._callbacks,
            num_epochs=num_epochs,
            max_steps=max_steps,
            num_gradient_accumulation_steps=num_gradient_accumulation_steps,
            validate_every_num_batches=validate_every_num_batches,
            metrics=RunMetrics(keep_metrics_of_epochs),
        )
        if compile:
            compile_forward(self.run.module)
        # The hooks are passed as bound methods, so that those of a subclass are called.
        self._loop = TrainingLoop(self, self._callbacks, self._train_epoch, self._validation_loss)

    @classmethod
    def from_partial_objects(
        cls,
        model: protocols.TrainableModel,
        serialization_dir: str,
        data_loader: protocols.BatchLoader,
        validation_data_loader: protocols.BatchLoader | None = None,
        local_rank: int = 0,
        patience: int | None = None,
        validation_metric: str | list[str] = "-loss",
        num_epochs: int = 20,
        cuda_device: int | torch.device | list[int] | None = None,
        grad_norm: float | bool = False,
        grad_clipping: float | None = None,
        distributed: bool = False,
        world_size: int = 1,
        num_gradient_accumulation_steps: int = 1,
        use_amp: bool = False,
        no_grad: list[str] | None = None,
        optimizer: Lazy[Optimizer] = Lazy(Optimizer.default),  # noqa: B008  (builds nothing yet)
        learning_rate_scheduler: Lazy[LearningRateScheduler] | None = None,
        momentum_scheduler: Lazy[MomentumScheduler] | None = None,
        moving_average: Lazy[MovingAverage] | None = None,
        checkpointer: Lazy[Checkpointer] | None = Lazy(Checkpointer),  # noqa: B008
        callbacks: list[Lazy[TrainerCallback]] | None = None,
        enable_default_callbacks: bool = True,
        run_confidence_checks: bool = True,
        grad_scaling: bool = True,
        ddp_accelerator: DdpAccelerator | None = None,
        max_steps: int | None = None,
        **kwargs: Any,
    ) -> "GradientDescentTrainer":
        """Build a trainer from the `trainer` section of a config.

        The parts are built in the order of their dependencies: the optimizer needs the parameters of the wrapped model, the
        schedulers need the optimizer. All other arguments are those of the class.

        Args:
            no_grad: regular expressions; the parameters whose names match one are frozen.
            ddp_accelerator: wraps the model in a distributed run.
        """
        # every option is passed on under its own name; the parts built below replace their `Lazy` forms
        options = dict(locals())
        for name in ("cls", "no_grad", "ddp_accelerator", "kwargs"):
            del options[name]
        device = resolve_device(cuda_device)
        model, wrapped = _place_model(model, device, distributed, ddp_accelerator)
        module = cast(nn.Module, model if wrapped is None else wrapped.model)
        parameters = parameters_to_train(module, no_grad)
        built_optimizer = optimizer.construct(model_parameters=parameters)
        check_group_options(built_optimizer)
        steps = steps_per_epoch(data_loader, num_gradient_accumulation_steps)
        if max_steps is not None:
            num_epochs = 1 if not steps else ceil(max_steps / steps)
        rate_scheduler = learning_rate_scheduler and learning_rate_scheduler.construct(
            optimizer=built_optimizer,
            num_epochs=num_epochs,
            num_steps_per_epoch=steps,
            num_training_steps=max_steps or (steps and steps * num_epochs),
            validation_metric=validation_metric,
        )
        options.update(
            model=model,
            cuda_device=device,
            optimizer=built_optimizer,
            moving_average=moving_average and moving_average.construct(parameters=parameters),
            learning_rate_scheduler=rate_scheduler,
            momentum_scheduler=momentum_scheduler and momentum_scheduler.construct(optimizer=built_optimizer),
            checkpointer=checkpointer and checkpointer.construct(serialization_dir=serialization_dir),
            callbacks=[c.construct(serialization_dir=serialization_dir) for c in callbacks or []],
        )
        return cls(ddp_wrapped_model=wrapped, **options, **kwargs)

    def train(self) -> protocols.MetricValues:
        """Train the model, from the newest checkpoint if there is one.

        Returns:
            The metrics of the run after its last epoch.

        Raises:
            ConfigurationError: the checkpoint does not fit the model, or a file cannot be written.
            NonFiniteLossError: the loss became NaN or infinite.
            TrainingInterrupted: the process received SIGTERM; a checkpoint was saved.
            KeyboardInterrupt: the process received Ctrl-C; a checkpoint was saved.
        """
        run = self.run
        metrics: protocols.MetricValues | None = None
        epoch: int | None = None
        with (
            InterruptionGuard() as run.interruption,
            torch.autograd.set_detect_anomaly(self._detect_anomaly),
        ):
            run.restore()
            for callback in self._callbacks:
                callback.on_start(self, is_primary=self._primary)
            run.generators.restore()  # last, because callbacks may draw random numbers in `on_start`
            try:
                metrics, epoch = self._try_train()
            finally:
                for callback in self._callbacks:
                    callback.on_end(self, metrics=metrics, epoch=epoch, is_primary=self._primary)
        return metrics

    def _try_train(self) -> tuple[protocols.MetricValues, int | None]:
        """Train all epochs.

        Returns:
            The metrics of the run, and the number of the last epoch; None if no epoch was left to train.
        """
        epoch = self._loop.run_epochs()
        return self.run.metrics.run or metrics_without_epoch(self.run.tracker), epoch

    def _train_epoch(self, epoch: int) -> protocols.MetricValues:
        """Run the updates of one epoch; return its training metrics, without prefix."""
        return self._loop.train_epoch(epoch)

    def _validation_loss(self, epoch: int) -> tuple[float, float | None, float]:
        """Run the model on the validation data.

        Returns:
            The weighted sum of the losses, that of the penalties (None without any), and the sum of the weights.
        """
        return self._loop.validation_loss(epoch)

    def batch_outputs(self, batch: protocols.TensorDict, for_training: bool) -> protocols.ModelOutputs:
        """Run the model on a batch.

        Args:
            batch: passed to the model by keyword.
            for_training: whether to require a loss and add the model's penalty to it.

        Raises:
            RuntimeError: the loss is missing.
        """
        # The wrapped module synchronizes gradients or gathers shards. Outside of training only the latter is needed;
        # without it, processes with different numbers of batches do not wait for each other.
        model = self._pytorch_model if for_training or self.run.is_sharded else self.model
        outputs: protocols.ModelOutputs = model(**batch)
        if not for_training:
            return outputs
        if "loss" not in outputs:
            raise RuntimeError(
                f"{type(self.model).__name__}.forward: expected a key 'loss' in training, got {sorted(outputs)}; are "
                "the labels missing in the data?"
            )
        penalty = protocols.penalty_of(self.run.model)
        if penalty is not None:
            outputs["reg_loss"] = penalty
            outputs["loss"] = outputs["loss"] + penalty
        return outputs

    def backward(self, batch_outputs: protocols.ModelOutputs) -> None:
        """Run the backward pass for one batch of an update; its loss is weighted by its share in the update."""
        self.run.precision.backward(self.run.accumulation.weigh(batch_outputs))

    def rescale_gradients(self) -> protocols.GradientNorm:
        """Compute the norm of the gradients, and scale them down to `grad_norm` if that is a number.

        Returns:
            The norm before, as a 0-d tensor; None with `grad_norm` false.
        """
        if self._grad_norm is False or self._grad_norm is None:
            return None
        self.run.precision.unscale(self.optimizer)
        wrapped = self.run.wrapped_model
        if wrapped is not None and wrapped.is_sharded:
            return wrapped.clip_grad_norm_(inf if self._grad_norm is True else self._grad_norm)
        if self._grad_norm is True:
            return gradients.gradient_norm(self.run.parameters)
        return gradients.clip_gradient_norm(self.run.parameters, self._grad_norm)

    def clip_gradient(self) -> None:
        """Clip each element of the gradients to [-grad_clipping, grad_clipping], if that is set."""
        if self._grad_clipping is not None:
            self.run.precision.unscale(self.optimizer)
            gradients.clip_gradient_values(self.run.parameters, self._grad_clipping)

    def get_checkpoint_state(self) -> TrainerCheckpoint | None:
        """The state of the run, for the first process, which saves it; None in the others."""
        return self.run.checkpoint()

    def get_best_weights_path(self) -> str | None:
        """Path of the file with the best weights, if it exists."""
        return self.run.best_weights_path

    @property
    def _pytorch_model(self) -> nn.Module:
        return self.run.module


def _place_model(
    model: protocols.TrainableModel,
    device: torch.device,
    distributed: bool,
    accelerator: DdpAccelerator | None,
) -> tuple[protocols.TrainableModel, DdpWrappedModel | None]:
    """Move a model to its device; in a distributed run, also wrap it.

    Returns:
        The model, and the wrapped model if there is one.
    """
    if not distributed:
        cast(nn.Module, model).to(device)
        return model, None
    accelerator = accelerator or TorchDdpAccelerator(cuda_device=device)
    wrapped: tuple[Any, DdpWrappedModel] = accelerator.wrap_model(cast(Any, model))
    return wrapped


def parameters_to_train(module: nn.Module, no_grad: Iterable[str] | None) -> protocols.NamedParameters:
    """Freeze the parameters that match a regular expression of `no_grad`; return the others that can be trained.

    Raises:
        ConfigurationError: none is left, or an expression matches no parameter.
    """
    patterns = list(no_grad or ())  # may be an iterator
    named = [(name.removeprefix(_DDP_PREFIX), parameter) for name, parameter in module.named_parameters()]
    check_patterns_match("trainer.no_grad", patterns, [name for name, _ in named])
    for name, parameter in named:
        if any(re.search(pattern, name) for pattern in patterns):
            parameter.requires_grad_(False)
    trained = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    if not trained:
        raise ConfigurationError(
            f"trainer.no_grad: expected some parameters to train, got none; {patterns} freezes all of them"
            if named
            else "model: expected parameters to train, got a model without any; use the trainer `counting` for a "
            "model that counts, such as tnt_tagger, or `no_op`"
        )
    frozen = [name for name, parameter in named if not parameter.requires_grad]
    logger.info("The following parameters are frozen: %s", ", ".join(frozen) or "none")
    logger.info("The following parameters are tunable: %s", ", ".join(name for name, _ in trained))
    return trained


def _all_callbacks(
    callbacks: Iterable[TrainerCallback] | None,
    defaults: Sequence[type[TrainerCallback]],
    run_confidence_checks: bool,
    serialization_dir: str,
) -> list[TrainerCallback]:
    """The callbacks of the config, followed by one of each default class that is not among them."""
    complete = list(callbacks or [])
    wanted = [*defaults, *([ConfidenceChecksCallback] if run_confidence_checks else [])]
    for cls in wanted:
        if all(type(callback) is not cls for callback in complete):
            complete.append(cls(serialization_dir))
    return complete


def _make_precision(
    device: torch.device,
    use_amp: bool,
    dtype: gradients.HalfDtype | None,
    grad_scaling: bool,
    wrapped: DdpWrappedModel | None,
) -> gradients.Precision:
    """The precision of the forward and backward pass, with a gradient scaler for float16."""
    scaler = None
    if use_amp and grad_scaling and gradients.half_dtype(device, dtype) == torch.float16:
        scaler = torch.amp.GradScaler(device.type) if wrapped is None else wrapped.init_grad_scaler()
    return gradients.Precision(device, use_amp, dtype, scaler)


def compile_forward(module: nn.Module, backend: str = "inductor") -> None:
    """Compile a module with `torch.compile` when it is first run, once for batches of all lengths.

    Args:
        module: the module to compile.
        backend: the compiler backend, as in `torch.compile`.
    """
    compiler_options: Any = importlib.import_module("torch._dynamo.config")
    if hasattr(compiler_options, "allow_rnn"):
        # Recurrent encoders are single operators for the compiler, but by default it skips every module that contains
        # torch's LSTM. The graph would break there, and sorting by length would be recompiled for each batch.
        compiler_options.allow_rnn = True
    module.compile(dynamic=True, backend=backend)


Trainer.register("gradient_descent", constructor="from_partial_objects")(GradientDescentTrainer)
