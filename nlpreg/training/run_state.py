"""The state of a run: everything that the rest of it depends on, taken from a trainer and put back."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from nlpreg.training.gradients import local_part
from nlpreg.training.model_memory import ModelMemory
from nlpreg.training.plain_state import plain_state
from nlpreg.training.protocols import Stateful
from nlpreg.training.random_state import random_state
from nlpreg.training.running_loss import NonFiniteLossError, RunningLoss
from nlpreg.training.trainer import TrainerCheckpoint

if TYPE_CHECKING:
    from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer

logger = logging.getLogger(__name__)

VERSION = 1


def take_state(trainer: GradientDescentTrainer) -> TrainerCheckpoint | None:
    """The state of a run; None in a process that leaves the saving to the primary.

    In a distributed run all processes call this, since each has generators, data and metrics of its own.

    Raises:
        NonFiniteLossError: the loss or a weight is NaN or infinite, so that this state must not replace a good one.
        ConfigurationError: a callback's state holds something that a checkpoint cannot.
    """
    trainer._running_loss.read()
    model_state = dict(trainer._stateful_model.state_dict())
    check_finite(trainer)
    own = plain_state(_own_state(trainer), "state of a process")
    parts = [own] if trainer._is_sharded else trainer._lockstep.gather(own)
    if parts is None:
        return None
    size = trainer._lockstep.rank_and_size()[1]
    state = {**_common_state(trainer), "processes": parts, "num_processes": size}
    return TrainerCheckpoint(model_state, plain_state(state, "state"))


def _common_state(trainer: GradientDescentTrainer) -> dict[str, Any]:
    """What is the same in all processes, or only kept by the primary."""
    state: dict[str, Any] = {
        "version": VERSION,
        "metric_tracker": trainer._metric_tracker.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "callbacks": [callback.state_dict() for callback in trainer._callbacks],
        "epochs_completed": trainer._epochs_completed,
        "batches_in_epoch_completed": trainer._batches_in_epoch_completed,
        "total_batches_completed": trainer._total_batches_completed,
        "best_model_filename": trainer._best_model_filename,
        "metrics": trainer._metrics,
        "epoch_metrics": trainer._epoch_metrics,
        "validation_metrics": trainer._validation_metrics,
        "last_validation": trainer._last_validation,
        "seconds": trainer._clock.seconds(),
        "metrics_log": trainer._metrics_log.state_dict(),
    }
    for name, part in _optional_parts(trainer).items():
        if part is not None:
            state[name] = part.state_dict()
    return state


def _optional_parts(trainer: GradientDescentTrainer) -> dict[str, Stateful | None]:
    return {
        "learning_rate_scheduler": trainer._learning_rate_scheduler,
        "momentum_scheduler": trainer._momentum_scheduler,
        "moving_average": trainer._moving_average,
        "scaler": trainer._scaler,
    }


def _own_state(trainer: GradientDescentTrainer) -> dict[str, Any]:
    """What each process has of its own."""
    return {
        "random": random_state(),
        "data": trainer._training_data.state_dict(),
        "validation_data": trainer._validation_data.state_dict(),
        "running_loss": trainer._running_loss.state_dict(),
        "model": ModelMemory.of(cast(nn.Module, trainer.model)).state_dict(),
    }


def put_state_back(trainer: GradientDescentTrainer, checkpoint: TrainerCheckpoint) -> None:
    """Let a trainer go on where a checkpoint was taken; the generators follow by `restore_generators`.

    Raises:
        ValueError: the checkpoint is of a version that is not known.
        RuntimeError: it does not fit the model or the optimizer.
    """
    state = checkpoint.trainer_state
    if state.get("version") != VERSION:
        raise ValueError(
            f"checkpoint: expected version {VERSION} of the training state, got {state.get('version')!r}"
        )
    trainer._stateful_model.load_state_dict(checkpoint.model_state)
    trainer._metric_tracker.load_state_dict(state["metric_tracker"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    for callback, callback_state in zip(trainer._callbacks, state["callbacks"], strict=False):
        callback.load_state_dict(callback_state)
    for name, part in _optional_parts(trainer).items():
        if part is not None and name in state:
            part.load_state_dict(state[name])
    trainer._epochs_completed = state["epochs_completed"]
    trainer._batches_in_epoch_completed = state["batches_in_epoch_completed"]
    trainer._total_batches_completed = state.get("total_batches_completed", 0)
    trainer._best_model_filename = _here(trainer, state["best_model_filename"])
    trainer._running_loss = RunningLoss(f"epoch {trainer._epochs_completed}")
    trainer._metrics = state.get("metrics", {})
    trainer._epoch_metrics = state.get("epoch_metrics")
    trainer._validation_metrics = state.get("validation_metrics", {})
    trainer._last_validation = state.get("last_validation")
    trainer._clock.start(state.get("seconds", 0.0))
    if "metrics_log" in state:
        trainer._metrics_log.load_state_dict(state["metrics_log"])
    parts = state.get("processes", [])
    _put_own_state_back(trainer, parts, state.get("num_processes", len(parts)))


def _here(trainer: GradientDescentTrainer, path: str | None) -> str | None:
    """The path in the folder of this run, which may have been moved since."""
    if path is None:
        return None
    return os.path.abspath(os.path.join(trainer._serialization_dir, os.path.basename(path)))


def _put_own_state_back(
    trainer: GradientDescentTrainer, parts: list[dict[str, Any]], num_processes: int
) -> None:
    rank, size = trainer._lockstep.rank_and_size()
    own: dict[str, Any] = {}
    if parts and num_processes == size:
        own = parts[0 if trainer._is_sharded else rank]  # of a sharded run, each process has saved its own
    elif parts:
        logger.warning(
            "the checkpoint was saved by %d processes and goes on with %d: the data of the present epoch starts "
            "anew, and generators of random numbers keep their seeds",
            num_processes,
            size,
        )
        trainer._batches_in_epoch_completed = 0
        trainer._training_data.start_anew(parts[0]["data"], trainer._epochs_completed)
        trainer._validation_data.start_anew(parts[0]["validation_data"])
    trainer._generators = own.get("random")
    if "data" in own:
        trainer._training_data.load_state_dict(own["data"])
        trainer._validation_data.load_state_dict(own["validation_data"])
    batches = trainer._batches_in_epoch_completed * trainer._num_gradient_accumulation_steps
    trainer._training_data.draw_again(trainer._epochs_completed, batches)
    if "running_loss" in own:
        trainer._running_loss.load_state_dict(own["running_loss"])
    if "model" in own:
        ModelMemory(**own["model"]).put_back(cast(nn.Module, trainer.model))


def check_finite(trainer: GradientDescentTrainer) -> None:
    """Make sure that the weights are worth keeping.

    Raises:
        NonFiniteLossError: one is NaN or infinite.
    """
    trained = [(name, p.detach()) for name, p in trainer.model.named_parameters() if p.requires_grad]
    if not trained:
        return
    is_finite = torch.stack([torch.isfinite(local_part(parameter)).all() for _, parameter in trained])
    if bool(is_finite.all()):
        return
    name = trained[int((~is_finite).nonzero()[0])][0]
    raise NonFiniteLossError(
        f"the weights {name} are NaN or infinite after epoch {trainer._epochs_completed}, batch "
        f"{trainer._batches_in_epoch_completed}; they are not saved, and the last checkpoint is from before. "
        "Try a lower learning rate or `grad_norm`, or find the cause with `detect_anomaly: true`"
    )
