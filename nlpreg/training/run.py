"""`TrainingRun`: all parts of a training run and its progress, saved and restored as a whole."""

import logging
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, cast

import torch
from torch import distributed as dist
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.digests import DIGESTS_NAME, DamagedFileError, damages_in, forget_digests, record_digests
from nlpreg.nn.parallel import DdpWrappedModel, torch_fsdp_accelerator
from nlpreg.training import checkpointer as checkpoints
from nlpreg.training import protocols
from nlpreg.training.communicator import Communicator
from nlpreg.training.data_feed import DataFeed
from nlpreg.training.gradients import Precision, local_part
from nlpreg.training.interruption import InterruptionGuard
from nlpreg.training.learning_rate_schedulers import LearningRateScheduler
from nlpreg.training.losses import Accumulation, NonFiniteLossError, RunningLoss
from nlpreg.training.metric_tracker import MetricTracker
from nlpreg.training.metrics_log import MetricsLog, NoTimer, PhaseTimer, RunMetrics
from nlpreg.training.momentum_schedulers import MomentumScheduler
from nlpreg.training.moving_average import MovingAverage
from nlpreg.training.state import ModelSnapshot, RandomGenerators, plain_state
from nlpreg.training.trainer import TrainerCheckpoint

logger = logging.getLogger(__name__)

VERSION = 2
"""Version of the training state. Runs also resume from version 1, which AllenNLP and earlier releases of nlpreg wrote."""

BEST_NAME = "best.th"


@dataclass
class Progress:
    """The progress of a run; the names are those in a checkpoint.

    Args:
        epochs_completed: number of finished epochs, which is also the number of the current one, from 0.
        batches_in_epoch_completed: number of updates done in the current epoch.
        total_batches_completed: number of updates done in the run.
        last_validation: value of `total_batches_completed` at the last validation; None before any.
    """

    epochs_completed: int = 0
    batches_in_epoch_completed: int = 0
    total_batches_completed: int = 0
    last_validation: int | None = None

    def state_dict(self) -> dict[str, Any]:
        """The counters by name."""
        return asdict(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a dictionary that contains the counters; its other entries are ignored."""
        for name in asdict(self):
            setattr(self, name, state_dict.get(name, getattr(self, name)))


class RunClock:
    """Measures the duration of a run in seconds; the time between an interruption and resuming does not count."""

    def __init__(self) -> None:
        self._seconds_before = 0.0
        self.start()

    def start(self) -> None:
        """Measure from now on, in addition to the seconds of a loaded state."""
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Seconds so far."""
        return self._seconds_before + time.monotonic() - self._started

    def state_dict(self) -> dict[str, Any]:
        """The seconds so far."""
        return {"seconds": self.seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self._seconds_before = state_dict["seconds"]
        self.start()


@dataclass(eq=False)
class TrainingRun:
    """The parts of a run: each has a name and, if it belongs in a checkpoint, a `state_dict`.

    A checkpoint is the dictionary of these states. The loop, the validation, callbacks and the checkpointer read and
    change the parts here; the trainer exposes the same parts under AllenNLP's names.

    Args:
        model: the model.
        optimizer: updates the parameters.
        training_data: the training batches and the position in them.
        validation_data: the validation batches; its `loader` is None where there are none.
        tracker: finds the best validation and decides when patience is exhausted.
        metrics_log: writes `metrics.jsonl`.
        precision: full or mixed precision, with the scaler of the loss.
        serialization_dir: folder of the run.
        communicator: communicates with the other processes.
        is_primary: whether this process writes files and shows progress.
        wrapped_model: the model wrapped for distributed training; None in a single process.
        learning_rate_scheduler: changes the learning rate.
        momentum_scheduler: changes the momentum.
        moving_average: averages the weights; the averages are what is validated and kept as the best.
        checkpointer: saves the run; None for no checkpoints.
        callbacks: hooks into the run.
        num_epochs: number of epochs.
        max_steps: number of updates after which the run ends, in place of `num_epochs`.
        num_gradient_accumulation_steps: number of batches per update.
        validate_every_num_batches: also validate each time this many updates are done.
        metrics: metrics of the run, of its current epoch and of its last validation.
    """

    model: protocols.TrainableModel
    optimizer: torch.optim.Optimizer
    training_data: DataFeed
    validation_data: DataFeed
    tracker: MetricTracker
    metrics_log: MetricsLog
    precision: Precision
    serialization_dir: str
    communicator: Communicator
    is_primary: bool = True
    wrapped_model: DdpWrappedModel | None = None
    learning_rate_scheduler: LearningRateScheduler | None = None
    momentum_scheduler: MomentumScheduler | None = None
    moving_average: MovingAverage | None = None
    checkpointer: checkpoints.Checkpointer | None = None
    callbacks: Sequence[protocols.Stateful] = ()
    num_epochs: int = 20
    max_steps: int | None = None
    num_gradient_accumulation_steps: int = 1
    validate_every_num_batches: int | None = None
    metrics: RunMetrics = field(default_factory=RunMetrics)

    progress: Progress = field(default_factory=Progress, init=False)
    clock: RunClock = field(default_factory=RunClock, init=False)
    generators: RandomGenerators = field(default_factory=RandomGenerators, init=False)
    timer: PhaseTimer = field(default_factory=NoTimer, init=False)
    interruption: InterruptionGuard = field(default_factory=InterruptionGuard, init=False)
    should_validate_this_epoch: bool = field(default=True, init=False)
    best_weights_path: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.loss_is_sum = bool(getattr(self.model, "loss_is_sum", False))
        self.loss = self.new_loss()
        self.accumulation = Accumulation(1)
        self.parameters: list[nn.Parameter] = [
            parameter for group in self.optimizer.param_groups for parameter in group["params"]
        ]

    @property
    def module(self) -> nn.Module:
        """The module to call in training: the wrapped module in a distributed run, otherwise the model."""
        return cast(nn.Module, self.model if self.wrapped_model is None else self.wrapped_model.model)

    @property
    def is_sharded(self) -> bool:
        """Whether each process holds only a shard of the weights."""
        return self.wrapped_model is not None and self.wrapped_model.is_sharded

    @property
    def has_validation(self) -> bool:
        """Whether the current epoch ends with a validation."""
        return self.validation_data.loader is not None and self.should_validate_this_epoch

    @property
    def steps_per_epoch(self) -> int | None:
        """Number of updates of an epoch; None where the loader has no length."""
        loader = self.training_data.loader
        return None if loader is None else steps_per_epoch(loader, self.num_gradient_accumulation_steps)

    @property
    def should_stop(self) -> bool:
        """Whether to stop before the next update: patience is exhausted, or `max_steps` are done."""
        steps_done = self.progress.total_batches_completed
        is_at_max_steps = self.max_steps is not None and steps_done >= self.max_steps
        return is_at_max_steps or self.tracker.should_stop_early()

    @property
    def is_over(self) -> bool:
        """Whether no epoch remains to be trained; an epoch that has begun is always finished."""
        if self.progress.batches_in_epoch_completed > 0:
            return False
        all_done = self.max_steps is None and self.progress.epochs_completed >= self.num_epochs
        return all_done or self.should_stop

    def new_loss(self) -> RunningLoss:
        """A running loss without any losses yet, for the current epoch."""
        return RunningLoss(f"epoch {self.progress.epochs_completed}", loss_is_sum=self.loss_is_sum)

    def begin_next_epoch(self) -> None:
        """Mark the current epoch as finished, and start counting the next one."""
        self.progress.epochs_completed += 1
        self.progress.batches_in_epoch_completed = 0
        self.metrics.epoch = None
        self.loss = self.new_loss()
        self.training_data.start_epoch()

    def log(self, event: str, metrics: dict[str, Any]) -> None:
        """Add a line to `metrics.jsonl`."""
        progress = self.progress
        self.metrics_log.add(
            event,
            progress.epochs_completed,
            progress.batches_in_epoch_completed,
            progress.total_batches_completed,
            {**metrics, "learning_rate": self.optimizer.param_groups[0].get("lr")},
            self.clock.seconds(),
        )

    # --- checkpoints

    def _shared_parts(self) -> dict[str, protocols.Stateful]:
        """The parts that are equal in all processes, or that only the first one has; saved once."""
        parts: dict[str, protocols.Stateful | None] = {
            "metric_tracker": self.tracker,
            "metrics": self.metrics,
            "metrics_log": self.metrics_log,
            "clock": self.clock,
            "learning_rate_scheduler": self.learning_rate_scheduler,
            "momentum_scheduler": self.momentum_scheduler,
            "moving_average": self.moving_average,
            "scaler": self.precision.scaler,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _parts_of_process(self) -> dict[str, protocols.Stateful]:
        """The parts that differ between processes; saved once for each process."""
        parts: dict[str, protocols.Stateful] = {
            "random": self.generators,
            "data": self.training_data,
            "running_loss": self.loss,
        }
        if self.validation_data.loader is not self.training_data.loader:
            parts["validation_data"] = self.validation_data
        return parts

    def checkpoint(self) -> TrainerCheckpoint | None:
        """The state of the run; None in processes that do not write it.

        In a distributed run all processes must call this, since each has its own generators, data and metrics. The
        shards of a sharded model and of its optimizer are gathered, so that the layout of a checkpoint does not depend on
        the number of processes, and any number of them can resume from it. With `save_sharded` of the checkpointer,
        every process gets a checkpoint instead: its shards in place of the weights, together with the other state.

        Raises:
            NonFiniteLossError: the loss or a weight is NaN or infinite; saving it would replace a usable checkpoint.
            ConfigurationError: a callback's state contains something that a checkpoint cannot store.
        """
        self.loss.read()  # raises if a loss is not finite, before the last good checkpoint is replaced
        self.check_finite()
        own = {name: part.state_dict() for name, part in self._parts_of_process().items()}
        own["model"] = ModelSnapshot.of(cast(nn.Module, self.model)).state_dict()
        processes = self.communicator.gather(plain_state(own, "state of a process"))
        state = {
            "version": VERSION,
            # the counters are at the top level, as in AllenNLP
            **self.progress.state_dict(),
            "best_model_filename": self.best_weights_path,
            "optimizer": self.optimizer.state_dict(),
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            **{name: part.state_dict() for name, part in self._shared_parts().items()},
            "processes": processes,
            "num_processes": self.communicator.size,
        }
        if self.is_sharded and self.checkpointer is not None and self.checkpointer.state_is_sharded:
            state["weights"] = dict((self.wrapped_model or self.model).state_dict())
            shared, shards = torch_fsdp_accelerator.split_shards(plain_state(state, "state"))
            return TrainerCheckpoint(shards, {**shared, "is_sharded": True})
        if self.is_sharded:
            state = torch_fsdp_accelerator.gather_shards(state, keep=self.communicator.rank == 0)
        weights = self._full_weights()  # called by all processes, since shards are gathered
        if processes is None:
            return None
        return TrainerCheckpoint(weights, plain_state(state, "state"))

    def load_checkpoint(self, checkpoint: TrainerCheckpoint) -> None:
        """Restore all parts from a checkpoint; `generators.restore` then sets the random number generators.

        Raises:
            ValueError: the checkpoint has an unknown version.
            RuntimeError: it does not fit the model or the optimizer.
        """
        weights, state = checkpoint
        if "shards" in state:
            parameter = next((p for p in self.parameters if hasattr(p, "device_mesh")), None)
            state = torch_fsdp_accelerator.join_shards(state, state["shards"], parameter)
            weights = state["weights"]
        state = _converted_state(state)
        (self.wrapped_model or self.model).load_state_dict(weights)
        optimizer_state = state["optimizer"]
        if self.is_sharded:
            optimizer_state = torch_fsdp_accelerator.shard_optimizer_state(self.optimizer, optimizer_state)
        self.optimizer.load_state_dict(optimizer_state)
        self.progress.load_state_dict(state)
        # matched by position, as in AllenNLP; a resumed run may have more callbacks than before
        for callback, callback_state in zip(self.callbacks, state["callbacks"], strict=False):
            callback.load_state_dict(callback_state)
        for name, part in self._shared_parts().items():
            if name in state:
                part.load_state_dict(state[name])
        path = state["best_model_filename"]
        if path is not None:  # only the file name is used, because the folder of the run may have been moved
            self.best_weights_path = os.path.abspath(
                os.path.join(self.serialization_dir, os.path.basename(path))
            )
        self.loss = self.new_loss()
        processes = state.get("processes", [])
        self._load_own_state(processes, state.get("num_processes", len(processes)))

    def _load_own_state(self, processes: list[dict[str, Any]], num_processes: int) -> None:
        own: dict[str, Any] = {}
        if processes and num_processes == self.communicator.size:
            own = processes[self.communicator.rank]
        elif processes:
            logger.warning(
                "the checkpoint was saved by %d processes and is resumed by %d: the data of the current epoch start "
                "from its start, and random number generators keep their seeds",
                num_processes,
                self.communicator.size,
            )
            self.progress.batches_in_epoch_completed = 0
            self.training_data.restart(processes[0]["data"], self.progress.epochs_completed)
            if "validation_data" in processes[0]:
                self.validation_data.restart(processes[0]["validation_data"])
        for name, part in self._parts_of_process().items():
            if name in own and part is self.validation_data:
                self.validation_data.load_at_pass_start(own[name])
            elif name in own:
                part.load_state_dict(own[name])
        batches = self.progress.batches_in_epoch_completed * self.num_gradient_accumulation_steps
        self.training_data.fast_forward(self.progress.epochs_completed, batches)
        if "model" in own:
            ModelSnapshot(**own["model"]).restore(cast(nn.Module, self.model))

    def restore(self) -> None:
        """Resume from the newest intact checkpoint in the folder, if there is one.

        Raises:
            ConfigurationError: it does not fit the model or the optimizer.
        """
        self.clock.start()
        if self.is_primary:
            checkpoints.remove_temporary_files(self.serialization_dir)
        if self.checkpointer is None:
            return
        checkpoint = self.checkpointer.load_checkpoint()
        if checkpoint is None:
            return
        try:
            self.load_checkpoint(checkpoint)
        except RuntimeError as error:
            raise ConfigurationError(
                f"{self.serialization_dir}: cannot resume from the checkpoint, it does not fit the model or the "
                f"optimizer ({error}); use another folder, or delete this one with `--force`"
            ) from error
        if self.is_primary:
            self.metrics.restore_files(self.serialization_dir)
        if self.weights_are_best():
            self.save_best_weights()  # the run may have been killed after the checkpoint, before the best weights were saved

    def check_finite(self) -> None:
        """Check all trainable weights.

        Raises:
            NonFiniteLossError: a weight is NaN or infinite.
        """
        trained = [(name, p.detach()) for name, p in self.model.named_parameters() if p.requires_grad]
        if not trained:
            return
        is_finite = torch.stack([torch.isfinite(local_part(parameter)).all() for _, parameter in trained])
        if bool(is_finite.all()):
            return
        name = trained[int((~is_finite).nonzero()[0])][0]
        raise NonFiniteLossError(
            f"the weights {name} are NaN or infinite after epoch {self.progress.epochs_completed}, batch "
            f"{self.progress.batches_in_epoch_completed}; they are not saved, and the last checkpoint is from before. "
            "Try a lower learning rate or `grad_norm`, or find the cause with `detect_anomaly: true`"
        )

    def _full_weights(self) -> dict[str, Any]:
        if self.wrapped_model is not None:
            return self.wrapped_model.full_state_dict()
        return dict(self.model.state_dict())

    # --- best weights

    def weights_are_best(self) -> bool:
        """Whether the current weights had the best validation; without validation data, true at the end of every epoch."""
        progress = self.progress
        if self.validation_data.loader is None:
            return progress.batches_in_epoch_completed == 0 and progress.epochs_completed > 0
        was_validated = progress.last_validation == progress.total_batches_completed
        return was_validated and self.tracker.is_best_so_far()

    def save_best_weights(self) -> None:
        """Save the current weights as the best ones; with a moving average, the averaged weights.

        If a checkpoint with these weights was just written, `best.th` becomes a hard link to its file.

        Raises:
            NonFiniteLossError: a weight is NaN or infinite.
            ConfigurationError: the folder is read-only or the disk is full.
        """
        path = os.path.join(self.serialization_dir, BEST_NAME)
        self.best_weights_path = os.path.abspath(path)
        average = self.moving_average
        if average is not None:
            average.assign_average_value()
        try:
            self.check_finite()
            weights = self._full_weights()  # called by all processes
            if self.is_primary:
                saved = None if average is not None else self._checkpoint_of_present_weights()
                forget_digests(self.serialization_dir, BEST_NAME)
                if saved is not None and link_file(saved.model_path, path):
                    digest = saved.digest_of_model()
                else:
                    digest = checkpoints.save_state(path, weights)
                record_digests(self.serialization_dir, known={BEST_NAME: digest})
        finally:
            if average is not None:
                average.restore()

    def _checkpoint_of_present_weights(self) -> checkpoints.CheckpointFiles | None:
        progress, checkpointer = self.progress, self.checkpointer
        position = (progress.epochs_completed, progress.batches_in_epoch_completed)
        if checkpointer is None or checkpointer.last_saved != position:
            return None
        files = checkpoints.CheckpointFiles(self.serialization_dir, *position)
        return files if os.path.isfile(files.model_path) else None

    def _read_best_weights(self, path: str) -> dict[str, Any]:
        try:
            for damage in damages_in(os.path.dirname(path), [os.path.basename(path)]):
                raise checkpoints.DamagedCheckpointError(damage)
            return checkpoints.load_state(path)
        except (DamagedFileError, checkpoints.DamagedCheckpointError) as error:
            raise ConfigurationError(
                f"{error}; these were the weights of the best epoch, {self.tracker.best_epoch}. Restore them from a copy; or "
                f"replace them by one of the model_state files of this folder, and remove {DIGESTS_NAME} there; then resume "
                "with `--recover`"
            ) from error

    def load_best_weights(self) -> None:
        """Load the best weights into the model, unless it has them already.

        Raises:
            ConfigurationError: their file is missing or damaged.
        """
        path = self.best_weights_path
        if path is None or self.weights_are_best():
            if self.moving_average is not None:
                self.moving_average.assign_average_value()
            return
        self.communicator.barrier()
        weights: dict[str, Any] = {}
        if self.is_primary:
            weights = self._read_best_weights(path)
        stateful = self.wrapped_model or self.model
        # loading into a sharded model distributes them from the first process
        if self.is_sharded or self.is_primary:
            stateful.load_state_dict(weights)
        # broadcast, because another machine may not be able to read the file
        if not self.is_sharded and self.communicator.size > 1:
            for value in stateful.state_dict().values():
                if isinstance(value, torch.Tensor):
                    dist.broadcast(value, src=0)


class RunningTrainer(Protocol):
    """The interface of the trainer for the loop and the callbacks: its run, and the methods that a subclass may override.

    This is a protocol, because `GradientDescentTrainer` imports the modules that use it.
    """

    run: TrainingRun

    @property
    def model(self) -> protocols.TrainableModel:
        """The model, unwrapped."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of the run."""

    @property
    def data_loader(self) -> protocols.BatchLoader:
        """The loader of the training data."""

    @property
    def cuda_device(self) -> torch.device:
        """The device of the model."""

    def batch_outputs(self, batch: protocols.TensorDict, for_training: bool) -> protocols.ModelOutputs:
        """Run the model on a batch."""

    def backward(self, batch_outputs: protocols.ModelOutputs) -> None:
        """Run the backward pass for one batch of an update."""

    def rescale_gradients(self) -> protocols.GradientNorm:
        """Compute the norm of the gradients, and scale them down if requested."""

    def clip_gradient(self) -> None:
        """Clip each element of the gradients, if requested."""

    def get_checkpoint_state(self) -> TrainerCheckpoint | None:
        """The state of the run, which the checkpointer saves."""


def steps_per_epoch(loader: protocols.BatchLoader, num_gradient_accumulation_steps: int) -> int | None:
    """Number of updates of an epoch; None where the loader has no length."""
    length = protocols.loader_length(loader)
    return None if length is None else -(-length // num_gradient_accumulation_steps)


def link_file(source: str, path: str) -> bool:
    """Atomically make `path` a hard link to the file `source`; false if the file system does not support hard links."""
    # `os.link` does not replace a file, so the link is made in a temporary folder and moved over the old file
    beside = os.path.dirname(path)
    with tempfile.TemporaryDirectory(dir=beside, prefix=".best_", suffix=".tmp") as folder:
        temporary = os.path.join(folder, os.path.basename(path))
        try:
            os.link(source, temporary)
            os.replace(temporary, path)
        except OSError:
            return False
    return True


def _converted_state(state: dict[str, Any]) -> dict[str, Any]:
    """Convert a training state of an older version to the current one.

    Raises:
        ValueError: the version is unknown.
    """
    version = state.get("version")
    if version == VERSION:
        return state
    if version != 1:
        raise ValueError(
            f"checkpoint: expected version {VERSION} or 1 of the training state, got {version!r}"
        )
    state = dict(state)
    state["metrics"] = {
        "run": state.get("metrics", {}),
        "epoch": state.get("epoch_metrics"),
        "validation": state.get("validation_metrics", {}),
    }
    state["clock"] = {"seconds": state.get("seconds", 0.0)}
    return state
