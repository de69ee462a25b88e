"""`Checkpointer`: when the state of a run is saved, what is kept, and from where it is resumed."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator

from nlpreg.common import Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.util import is_distributed, is_global_primary
from nlpreg.training.checkpoint_files import CheckpointFiles, DamagedCheckpointError, find_checkpoints
from nlpreg.training.communicator import make_communicator
from nlpreg.training.trainer import HasCheckpointState, TrainerCheckpoint

logger = logging.getLogger(__name__)


class Checkpointer(Registrable):
    """Saves the state of a run at intervals, and finds the newest one that is whole.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        save_completed_epochs: whether to save after each epoch.
        save_every_num_seconds: save in the middle of an epoch, too, when so many seconds passed since the last time.
        save_every_num_batches: save in the middle of an epoch, too, after so many updates.
        keep_most_recent_by_count: number of checkpoints to keep; 0 for none, which leaves nothing to resume from.
        keep_most_recent_by_age: also keep those that are at most so many seconds old. With neither, keep all.

    Attributes:
        last_saved: numbers of epochs and of updates in the next one at the last checkpoint; None before any.

    Raises:
        ConfigurationError: a number is too low.
        ValueError: `save_every_num_seconds` in a distributed run, whose processes have to save together.
    """

    constructor_extras = frozenset(["serialization_dir"])

    default_implementation = "default"

    def __init__(
        self,
        serialization_dir: str | os.PathLike[str],
        save_completed_epochs: bool = True,
        save_every_num_seconds: float | None = None,
        save_every_num_batches: int | None = None,
        keep_most_recent_by_count: int | None = 2,
        keep_most_recent_by_age: int | None = None,
    ) -> None:
        if save_every_num_seconds is not None and is_distributed():
            raise ValueError(
                "checkpointer.save_every_num_seconds: clocks of several processes differ; use save_every_num_batches"
            )
        for name, number in (
            ("save_every_num_seconds", save_every_num_seconds),
            ("save_every_num_batches", save_every_num_batches),
        ):
            if number is not None and number <= 0:
                raise ConfigurationError(
                    f"checkpointer.{name}: expected a number above 0 or null, got {number}"
                )
        for name, number in (
            ("keep_most_recent_by_count", keep_most_recent_by_count),
            ("keep_most_recent_by_age", keep_most_recent_by_age),
        ):
            if number is not None and number < 0:
                raise ConfigurationError(f"checkpointer.{name}: expected 0 or more, or null, got {number}")
        self.state_is_sharded = False  # AllenNLP's trainer sets it; here checkpoints are whole
        self.last_saved: tuple[int, int] | None = None
        self._serialization_dir = os.fspath(serialization_dir)
        self._save_completed_epochs = save_completed_epochs
        self._save_every_num_seconds = save_every_num_seconds
        self._save_every_num_batches = save_every_num_batches
        self._keep_by_count = keep_most_recent_by_count
        self._keep_by_age = keep_most_recent_by_age
        self._position: tuple[int, int] | None = None
        self._last_save_time = time.monotonic()
        self._last_save_num_batches = 0
        self._damaged: set[CheckpointFiles] = set()

    @property
    def keeps_checkpoints(self) -> bool:
        """Whether anything is left to resume from after a checkpoint was saved."""
        return self._keep_by_count != 0 or self._keep_by_age is not None

    def maybe_save_checkpoint(
        self,
        trainer: HasCheckpointState,
        num_epochs_completed: int,
        num_batches_in_epoch_completed: int,
    ) -> bool:
        """Save if it is time to.

        Args:
            trainer: whose state to save.
            num_epochs_completed: number of finished epochs.
            num_batches_in_epoch_completed: number of updates done in the next one; 0 at the end of an epoch.

        Returns:
            Whether it was time.
        """
        if not self._is_due(num_batches_in_epoch_completed):
            return False
        # Not passed on as an argument: subclasses override `save_checkpoint(trainer)`, as in AllenNLP.
        self._position = (num_epochs_completed, num_batches_in_epoch_completed)
        self.save_checkpoint(trainer)
        return True

    def save_checkpoint(self, trainer: HasCheckpointState) -> None:
        """Save now, and delete what need not be kept.

        Args:
            trainer: whose state to save. Outside of `maybe_save_checkpoint`, the numbers of epochs and updates are those in
                its training state, `epochs_completed` and `batches_in_epoch_completed`.

        Raises:
            ConfigurationError: the folder is read-only or the disk is full.
        """
        checkpoint = trainer.get_checkpoint_state()  # in a distributed run, every process takes part
        state = {} if checkpoint is None else checkpoint.trainer_state
        in_state = (int(state.get("epochs_completed", 0)), int(state.get("batches_in_epoch_completed", 0)))
        position, self._position = self._position or in_state, None
        self._last_save_time = time.monotonic()
        self._last_save_num_batches = position[1]
        if checkpoint is not None and self.last_saved != position:
            files = CheckpointFiles(self._serialization_dir, *position)
            files.save(checkpoint)
            self._damaged.discard(files)
            self.remove_old_checkpoints()
        self.last_saved = position

    def find_latest_checkpoint(self) -> tuple[str, str] | None:
        """Paths of the weights and of the training state of the newest whole checkpoint, or None."""
        files = next(self._whole(), None)
        return None if files is None else (files.model_path, files.training_path)

    def load_checkpoint(self) -> TrainerCheckpoint | None:
        """The newest whole checkpoint, on the CPU; None if there is none.

        A damaged one is passed over with a warning. In a distributed run all processes load the same one; a machine
        that does not see the folder of the first one gets it from there.
        """
        files, checkpoint = self._load_together() if is_distributed() else self._load_newest()
        if files is not None:
            self.last_saved = (files.epochs, files.batches)
            self._last_save_num_batches = files.batches
            self.remove_old_checkpoints()  # a process that was killed may have left more than are kept, and halves
        return checkpoint

    def remove_old_checkpoints(self) -> None:
        """Delete the checkpoints that need not be kept, damaged ones among them; the first process does it for all."""
        if not is_global_primary() or (self._keep_by_count is None and self._keep_by_age is None):
            return
        found = find_checkpoints(self._serialization_dir)
        whole = [files for files in found if files not in self._damaged and files.is_complete()]
        keep = set(whole[-self._keep_by_count :] if self._keep_by_count else [])
        if self._keep_by_age is not None:
            oldest = time.time() - self._keep_by_age
            keep.update(files for files in whole if files.newest_change() >= oldest)
        for files in found:
            if files not in keep:
                files.remove()

    def _is_due(self, num_batches: int) -> bool:
        if num_batches == 0 and self._save_completed_epochs:
            return True
        if num_batches < self._last_save_num_batches:
            self._last_save_num_batches = 0  # a new epoch, which counts its batches from 0
        every_seconds, every_batches = self._save_every_num_seconds, self._save_every_num_batches
        if every_seconds is not None and time.monotonic() - self._last_save_time >= every_seconds:
            return True
        return every_batches is not None and num_batches - self._last_save_num_batches >= every_batches

    def _whole(self) -> Iterator[CheckpointFiles]:
        """The checkpoints that are whole, newest first."""
        if not os.path.isdir(self._serialization_dir):
            return
        for files in reversed(find_checkpoints(self._serialization_dir)):
            if files in self._damaged:
                continue
            try:
                files.verify()
            except DamagedCheckpointError as error:
                self._pass_over(files, error)
            else:
                yield files

    def _load_newest(self) -> tuple[CheckpointFiles | None, TrainerCheckpoint | None]:
        for files in self._whole():
            try:
                checkpoint = files.load()
            except DamagedCheckpointError as error:
                self._pass_over(files, error)
            else:
                files.complete()
                return files, checkpoint
        if self._damaged:
            logger.warning("%s: no checkpoint is whole, training starts over", self._serialization_dir)
        return None, None

    def _load_together(self) -> tuple[CheckpointFiles | None, TrainerCheckpoint | None]:
        """The newest whole checkpoint that the first process finds, in all processes."""
        communicator = make_communicator(True)
        files, checkpoint = self._load_newest() if is_global_primary() else (None, None)
        position = communicator.broadcast(None if files is None else (files.epochs, files.batches))
        if position is None:
            return None, None
        files = CheckpointFiles(self._serialization_dir, *position)
        try:
            checkpoint = checkpoint or files.load()
        except DamagedCheckpointError:
            logger.info("%s is not seen by this process, which gets it from the first one", files.model_path)
        if not all(communicator.gather_everywhere(checkpoint is not None)):
            handed = communicator.broadcast(checkpoint)
            checkpoint = checkpoint or handed
        return files, checkpoint

    def _pass_over(self, files: CheckpointFiles, error: DamagedCheckpointError) -> None:
        if files not in self._damaged:
            self._damaged.add(files)
            logger.warning("the checkpoint is damaged, going back to the one before: %s", error)


Checkpointer.register("default")(Checkpointer)
