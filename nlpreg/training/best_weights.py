"""`best.th`: the weights of the best validation so far."""

from __future__ import annotations

import logging
import os
import tempfile
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import distributed as dist
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.parallel.spread_states import part_of_state
from nlpreg.training.checkpoint_files import (
    CheckpointFiles,
    DamagedCheckpointError,
    load_state,
    save_state,
)
from nlpreg.training.run_state import check_finite
from nlpreg.training.sharded_checkpoint import ShardedCheckpoints, parts_beside

if TYPE_CHECKING:
    from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer

logger = logging.getLogger(__name__)

BEST_NAME = "best.th"


def weights_are_best(trainer: GradientDescentTrainer) -> bool:
    """Whether the present weights are those of the best validation; without validation, those after an epoch are."""
    if trainer._validation_data_loader is None:
        return trainer._batches_in_epoch_completed == 0 and trainer._epochs_completed > 0
    was_validated = trainer._last_validation == trainer._total_batches_completed
    return was_validated and trainer._metric_tracker.is_best_so_far()


def save_best_weights(trainer: GradientDescentTrainer) -> None:
    """Keep the present weights as the best ones; with a moving average, the averaged ones.

    Where a checkpoint with these weights was written just now, `best.th` becomes another name of its file.

    Raises:
        ConfigurationError: the folder is read-only or the disk is full.
    """
    folder = trainer._serialization_dir
    worker = trainer._lockstep.rank_and_size()[0] if trainer._is_sharded else None
    path = os.path.join(folder, BEST_NAME if worker is None else f"best_w{worker}.th")
    trainer._best_model_filename = os.path.abspath(path)
    average = trainer._moving_average
    if average is not None:
        average.assign_average_value()
    try:
        state = dict(trainer._stateful_model.state_dict())
        if trainer._primary or trainer._is_sharded:
            check_finite(trainer)
            checkpoint = _checkpoint_of_present_weights(trainer, worker) if average is None else None
            is_linked = checkpoint is not None and _link(checkpoint, path)
            if worker is None:
                if not is_linked:
                    save_state(path, state)
            elif not all(trainer._lockstep.gather_everywhere(is_linked)):  # all do the same
                save_state(path, part_of_state(state, trainer._lockstep.group))
    finally:
        if average is not None:
            average.restore()


def _checkpoint_of_present_weights(trainer: GradientDescentTrainer, worker: int | None) -> str | None:
    checkpointer = trainer._checkpointer
    place = (trainer._epochs_completed, trainer._batches_in_epoch_completed)
    if checkpointer is None or getattr(checkpointer, "_saved", None) != place:
        return None
    path = CheckpointFiles(trainer._serialization_dir, *place, worker).model_path
    if not os.path.isfile(path):
        return None
    if worker is not None:  # parts of a run of another number of processes do not fit
        num_parts = load_state(path, lazily=True).get("num_parts")
        return path if num_parts == trainer._lockstep.rank_and_size()[1] else None
    return path


def _link(source: str, path: str) -> bool:
    """Make `path` another name of the file `source`, in one step; false where the file system has no such names."""
    folder = tempfile.mkdtemp(dir=os.path.dirname(path), prefix=".best_", suffix=".tmp")
    temporary = os.path.join(folder, BEST_NAME)
    try:
        os.link(source, temporary)
        os.replace(temporary, path)
    except OSError:
        return False
    else:
        return True
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
        os.rmdir(folder)


def load_best_weights(trainer: GradientDescentTrainer) -> None:
    """Put the best weights into the model, if the present ones are not the best.

    Raises:
        ConfigurationError: their file is missing or damaged.
    """
    path = trainer._best_model_filename
    if path is None or weights_are_best(trainer):
        if trainer._moving_average is not None:
            trainer._moving_average.assign_average_value()
        return
    trainer._lockstep.barrier()
    state: dict[str, Any] = {}
    try:
        if trainer._is_sharded:
            state = shards_of(trainer).load_weights(_parts(trainer))
        elif trainer._primary:
            state = load_state(path)
    except DamagedCheckpointError as error:
        raise ConfigurationError(
            f"{error}; these were the weights of the best epoch, {trainer._metric_tracker.best_epoch}. Put a copy of them "
            "back, or one of the model_state files of this folder in their place, and go on with `--recover`"
        ) from error
    if trainer._is_sharded or trainer._primary:
        trainer._stateful_model.load_state_dict(state)
    if not trainer._is_sharded and trainer._distributed:  # another machine may not see the file
        for value in trainer._stateful_model.state_dict().values():
            if isinstance(value, torch.Tensor):
                dist.broadcast(value, src=0)


def merge_shards(trainer: GradientDescentTrainer) -> None:
    """Make one `best.th` of the parts that the processes of a sharded run saved."""
    wrapped = trainer._ddp_wrapped_model
    if not trainer._is_sharded or wrapped is None or not trainer._primary:
        return
    folder = trainer._serialization_dir
    try:
        weights = wrapped.consolidate_sharded_state(_parts(trainer))
    except (DamagedCheckpointError, OSError) as error:  # an interrupted run may not have any yet
        logger.info("%s: no best weights to put together (%s)", folder, error)
        return
    path = os.path.join(folder, BEST_NAME)
    save_state(path, dict(weights))
    trainer._best_model_filename = os.path.abspath(path)


def shards_of(trainer: GradientDescentTrainer) -> ShardedCheckpoints:
    """The checkpoints of a sharded run."""
    return ShardedCheckpoints(trainer._serialization_dir, trainer._lockstep, cast(nn.Module, trainer.model))


def _parts(trainer: GradientDescentTrainer) -> list[str]:
    """The files of the parts of the best weights; as many as there were processes when they were saved."""
    return parts_beside(os.path.join(trainer._serialization_dir, "best_w0.th"))
