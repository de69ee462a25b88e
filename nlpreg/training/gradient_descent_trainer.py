"""`GradientDescentTrainer`: epochs of updates by gradient descent, with validation and checkpoints between them."""

from __future__ import annotations

import os
import warnings
from math import inf
from typing import Any, cast

import torch
from torch import nn

from nlpreg.common import Lazy
from nlpreg.nn.parallel import DdpAccelerator, DdpWrappedModel
from nlpreg.training import trainer_setup as setup
from nlpreg.training.accumulation import Accumulation
from nlpreg.training.best_weights import merge_shards
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.callbacks.console_logger import ConsoleLoggerCallback
from nlpreg.training.checkpointer import Checkpointer
from nlpreg.training.data_feed import DataFeed
from nlpreg.training.gradients import clip_gradient_norm, clip_gradient_values, gradient_norm
from nlpreg.training.interruption import InterruptionGuard
from nlpreg.training.learning_rate_schedulers import LearningRateScheduler
from nlpreg.training.lockstep import make_lockstep
from nlpreg.training.metric_tracker import MetricTracker
from nlpreg.training.metrics_log import MetricsLog
from nlpreg.training.momentum_schedulers import MomentumScheduler
from nlpreg.training.moving_average import MovingAverage
from nlpreg.training.optimizers import Optimizer, check_group_options
from nlpreg.training.phase_timer import NoTimer, PhaseTimer
from nlpreg.training.plain_modules import penalty_of
from nlpreg.training.precision import HalfDtype
from nlpreg.training.protocols import (
    BatchLoader,
    GradientNorm,
    MetricValues,
    ModelOutputs,
    TensorDict,
    TrainableModel,
)
from nlpreg.training.run import restore, restore_generators, run_epochs
from nlpreg.training.run_clock import RunClock
from nlpreg.training.run_metrics import metrics_without_epoch
from nlpreg.training.run_state import take_state
from nlpreg.training.running_loss import RunningLoss
from nlpreg.training.trainer import Trainer, TrainerCheckpoint, resolve_device

DEFAULT_CALLBACKS: tuple[type[TrainerCallback], ...] = (ConsoleLoggerCallback,)
"""What every run gets unless it has one of its own, or sets `enable_default_callbacks` to false."""


class GradientDescentTrainer(Trainer):
    """Trains a model by gradient descent on one device, alone or beside others that do the same.

    A run is: epochs: { updates, validation, `metrics_epoch_*.json`, schedulers, callbacks, checkpoint, best weights }
    until `num_epochs` are done or patience is at its end; then the best weights are put into the model. A run that
    finds a checkpoint in its folder goes on from there, to the same bits as if it had never stopped.

    Args:
        model: the model; its forward pass returns a dictionary with `loss`.
        optimizer: updates the parameters.
        data_loader: training data.
        patience: number of validations in a row without a new best after which to stop; None for never.
        validation_metric: the metric that says what is best, with a leading `+` (higher is better) or `-`; or a list
            of such, which are added up.
        validation_data_loader: validation data.
        num_epochs: number of epochs.
        serialization_dir: folder for everything the run writes.
        checkpointer: saves the state of the run; None for no checkpoints.
        cuda_device: number of a GPU, or -1 for the CPU; by default GPU 0 if there is one.
        grad_norm: gradients are scaled down to this norm, a number; true to measure their norm only.
        grad_clipping: each element of a gradient is brought into [-grad_clipping, grad_clipping].
        learning_rate_scheduler: changes the learning rate over the run.
        momentum_scheduler: changes the momentum over the run.
        moving_average: averages the weights; the averages are what is validated and kept as the best.
        callbacks: hooks into the run.
        distributed: whether other processes train the same model.
        local_rank: number of this process on its machine.
        world_size: number of processes.
        num_gradient_accumulation_steps: number of batches that make one update.
        use_amp: whether to compute in half precision where that is safe.
        enable_default_callbacks: whether to add `DEFAULT_CALLBACKS`.
        run_confidence_checks: whether to look at the first batch for likely mistakes in the model.
        grad_scaling: whether to scale the loss against underflow, with float16.
        ddp_wrapped_model: the model as wrapped for a distributed run.
        run_sanity_checks: the older name of `run_confidence_checks`.
        amp_dtype: the half precision; by default float16 on GPUs and bfloat16 on CPUs.
        validate_every_num_batches: validate, and test whether to stop, also after every so many updates; patience
            counts these validations too.
        metrics_interval: number of updates between two lines of `metrics.jsonl`.
        detect_anomaly: whether to find out which operation made a gradient NaN; slow.
        compile: whether to compile the forward pass by `torch.compile`, for batches of all lengths at once.

    Raises:
        ConfigurationError: an option makes no sense.
        ValueError: `distributed` without `ddp_wrapped_model`.
    """

    check_arguments = staticmethod(setup.check_options)

    def __init__(
        self,
        model: TrainableModel,
        optimizer: torch.optim.Optimizer,
        data_loader: BatchLoader,
        patience: int | None = None,
        validation_metric: str | list[str] = "-loss",
        validation_data_loader: BatchLoader | None = None,
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
        amp_dtype: HalfDtype | None = None,
        validate_every_num_batches: int | None = None,
        metrics_interval: int = 100,
        detect_anomaly: bool = False,
        compile: bool = False,
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
        )
        if run_sanity_checks is not None:
            warnings.warn("run_sanity_checks is now run_confidence_checks", DeprecationWarning, stacklevel=2)
            run_confidence_checks = run_sanity_checks
        self.model = model
        self.optimizer = optimizer
        self.data_loader = data_loader
        self._ddp_wrapped_model = ddp_wrapped_model
        self._validation_data_loader = validation_data_loader
        self._num_epochs = num_epochs
        self._checkpointer = checkpointer
        self._grad_norm = grad_norm
        self._grad_clipping = grad_clipping
        self._learning_rate_scheduler = learning_rate_scheduler
        self._momentum_scheduler = momentum_scheduler
        self._moving_average = moving_average
        self._num_gradient_accumulation_steps = num_gradient_accumulation_steps
        self._validate_every_num_batches = validate_every_num_batches
        self._detect_anomaly = detect_anomaly
        self._metric_tracker = MetricTracker(validation_metric, patience)
        self._metrics_log = MetricsLog(self._serialization_dir if self._primary else None, metrics_interval)
        defaults = DEFAULT_CALLBACKS if enable_default_callbacks else ()
        self._callbacks = setup.all_callbacks(
            callbacks, defaults, run_confidence_checks, self._serialization_dir
        )
        self._use_amp = use_amp
        self._precision = setup.make_precision(
            self.cuda_device, use_amp, amp_dtype, grad_scaling, ddp_wrapped_model
        )
        self._scaler = self._precision.scaler
        if compile:
            setup.compile_forward(self._pytorch_model)
        self._start_from_zero()

    @classmethod
    def from_partial_objects(
        cls,
        model: TrainableModel,
        serialization_dir: str,
        data_loader: BatchLoader,
        validation_data_loader: BatchLoader | None = None,
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
        run_sanity_checks: bool | None = None,
        amp_dtype: HalfDtype | None = None,
        validate_every_num_batches: int | None = None,
        metrics_interval: int = 100,
        detect_anomaly: bool = False,
        compile: bool = False,
    ) -> GradientDescentTrainer:
        """Build a trainer from the `trainer` section of a config.

        The parts that need the model's parameters or each other are built here, in the right order.

        Args:
            no_grad: regular expressions; the parameters whose names match one are frozen.
            ddp_accelerator: wraps the model in a distributed run; the other arguments are those of the class.
        """
        given = dict(locals())  # every option goes on under its own name; those built here are replaced below
        for name in ("cls", "no_grad", "ddp_accelerator"):
            del given[name]
        device = resolve_device(cuda_device)
        model, wrapped = setup.place_model(model, device, distributed, ddp_accelerator)
        module = cast(nn.Module, model if wrapped is None else wrapped.model)
        parameters = setup.parameters_to_train(module, no_grad)
        built_optimizer = optimizer.construct(model_parameters=parameters)
        check_group_options(built_optimizer)
        averaged = None if moving_average is None else moving_average.construct(parameters=parameters)
        rate_scheduler = learning_rate_scheduler and learning_rate_scheduler.construct(
            optimizer=built_optimizer,
            num_epochs=num_epochs,
            num_steps_per_epoch=setup.steps_per_epoch(data_loader, num_gradient_accumulation_steps),
            validation_metric=validation_metric,
        )
        given.update(
            model=model,
            cuda_device=device,
            ddp_wrapped_model=wrapped,
            optimizer=built_optimizer,
            moving_average=averaged,
            learning_rate_scheduler=rate_scheduler,
            momentum_scheduler=momentum_scheduler and momentum_scheduler.construct(optimizer=built_optimizer),
            checkpointer=checkpointer and checkpointer.construct(serialization_dir=serialization_dir),
            callbacks=[c.construct(serialization_dir=serialization_dir) for c in callbacks or []],
        )
        return cls(**given)

    def _start_from_zero(self) -> None:
        """Set up what changes in the course of a run."""
        self._epochs_completed = 0
        self._batches_in_epoch_completed = 0
        self._total_batches_completed = 0
        self._best_model_filename: str | None = None
        self._should_validate_this_epoch = True
        self._metrics: MetricValues = {}
        self._epoch_metrics: MetricValues | None = None  # set between the last update of an epoch and its end
        self._validation_metrics: MetricValues = {}
        self._last_validation: int | None = None  # number of updates before it
        self._running_loss = RunningLoss("epoch 0")
        self._accumulation = Accumulation(1)
        self._clock = RunClock()
        self._generators: dict[str, Any] | None = (
            None  # their state in the checkpoint that the run goes on from
        )
        self._training_data = DataFeed(self.data_loader, self.cuda_device)
        self._validation_data = DataFeed(self._validation_data_loader, self.cuda_device)
        steps = self._num_gradient_accumulation_steps
        self._num_steps_per_epoch = setup.steps_per_epoch(self.data_loader, steps)
        self._trained_parameters: list[nn.Parameter] = [
            parameter for group in self.optimizer.param_groups for parameter in group["params"]
        ]
        self._timer: PhaseTimer = NoTimer()
        self._interruption = InterruptionGuard()
        self._lockstep = make_lockstep(self._distributed)

    def train(self) -> MetricValues:
        """Train the model, from the newest checkpoint if there is one.

        Returns:
            The metrics of the run after its last epoch.

        Raises:
            ConfigurationError: the checkpoint does not fit, or something cannot be written.
            NonFiniteLossError: the loss became NaN or infinite.
            TrainingInterrupted: SIGTERM asked the process to end; a checkpoint was saved.
            KeyboardInterrupt: Ctrl-C did.
        """
        metrics: MetricValues | None = None
        epoch: int | None = None
        with (
            InterruptionGuard() as self._interruption,
            torch.autograd.set_detect_anomaly(self._detect_anomaly),
        ):
            restore(self)
            for callback in self._callbacks:
                callback.on_start(self, is_primary=self._primary)
            restore_generators(self)
            try:
                epoch = run_epochs(self)
                metrics = self._metrics or metrics_without_epoch(self)
            finally:
                merge_shards(self)
                for callback in self._callbacks:
                    callback.on_end(self, metrics=metrics, epoch=epoch, is_primary=self._primary)
        return metrics

    def batch_outputs(self, batch: TensorDict, for_training: bool) -> ModelOutputs:
        """Run the model on a batch.

        Args:
            batch: passed to the model by keyword.
            for_training: whether the outputs need a loss, to which the model's penalty is added.

        Raises:
            RuntimeError: the loss is missing.
        """
        is_alone = not (for_training or self._is_sharded)  # outside training the processes need not keep step
        outputs: ModelOutputs = self.model(**batch) if is_alone else self._pytorch_model(**batch)
        if not for_training:
            return outputs
        if "loss" not in outputs:
            raise RuntimeError(
                f"{type(self.model).__name__}.forward: expected a key 'loss' in training, got {sorted(outputs)}; are "
                "the labels missing in the data?"
            )
        penalty = penalty_of(self.model)
        if penalty is not None:
            outputs["reg_loss"] = penalty
            outputs["loss"] = outputs["loss"] + penalty
        return outputs

    def backward(self, batch_outputs: ModelOutputs) -> None:
        """Run the backward pass of one of the batches of an update, weighted by its share in it."""
        self._precision.backward(self._accumulation.weigh(batch_outputs))

    def rescale_gradients(self) -> GradientNorm:
        """Measure the norm of the gradients, and scale them down where `grad_norm` says so.

        Returns:
            The norm before, as a 0-d tensor; None with `grad_norm` false.
        """
        if self._grad_norm is False or self._grad_norm is None:
            return None
        self._precision.unscale(self.optimizer)
        if self._is_sharded and self._ddp_wrapped_model is not None:
            return self._ddp_wrapped_model.clip_grad_norm_(
                inf if self._grad_norm is True else self._grad_norm
            )
        if self._grad_norm is True:
            return gradient_norm(self._trained_parameters)
        return clip_gradient_norm(self._trained_parameters, self._grad_norm)

    def clip_gradient(self) -> None:
        """Clip each element of the gradients, where `grad_clipping` says so."""
        if self._grad_clipping is not None:
            self._precision.unscale(self.optimizer)
            clip_gradient_values(self._trained_parameters, self._grad_clipping)

    def get_checkpoint_state(self) -> TrainerCheckpoint | None:
        """The state of the run; None in a process that leaves the saving to the primary."""
        return take_state(self)

    def get_best_weights_path(self) -> str | None:
        """Path of the file with the best weights, if there is one."""
        return self._best_model_filename

    @property
    def _pytorch_model(self) -> nn.Module:
        """The module to run in training: the wrapped one of a distributed run, or the model."""
        wrapped = self._ddp_wrapped_model
        return cast(nn.Module, self.model if wrapped is None else wrapped.model)

    @property
    def _is_sharded(self) -> bool:
        """Whether each process holds only a part of the weights."""
        return self._ddp_wrapped_model is not None and self._ddp_wrapped_model.is_sharded

    @property
    def _stateful_model(self) -> TrainableModel | DdpWrappedModel:
        """What gives and takes the weights."""
        return self._ddp_wrapped_model or self.model


Trainer.register("gradient_descent", constructor="from_partial_objects")(GradientDescentTrainer)
