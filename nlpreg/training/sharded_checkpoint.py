"""Checkpoints of a model that is spread over processes: each process writes and reads its part.

Process R writes `model_state_e{E}_b{B}_w{R}.th`, its part of the weights, and `training_state_e{E}_b{B}_w{R}.th`, its
part of everything else. When all are written, the first process writes `checkpoint_e{E}_b{B}.json` with their sizes and
checksums. Without it there is no checkpoint, so it is there as a whole or not at all. Any number of processes can go on
from it, on machines that all see the folder.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from typing import Any, NamedTuple

from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.parallel.spread_states import part_of_state, spread_state
from nlpreg.training.checkpoint_files import (
    CheckpointFiles,
    DamagedCheckpointError,
    load_state,
    read_record,
    verify_files,
)
from nlpreg.training.lockstep import Lockstep
from nlpreg.training.trainer import TrainerCheckpoint

logger = logging.getLogger(__name__)

_FILE = re.compile(r"^(?:model_state|training_state|checkpoint)_e(\d+)_b(\d+)(?:_w\d+)?\.(?:th|json)$")


class ShardedFiles(NamedTuple):
    """All files of one checkpoint.

    Attributes:
        folder: the folder of the run.
        epochs: number of finished epochs.
        batches: number of updates done in the next one.
    """

    folder: str
    epochs: int
    batches: int

    def of(self, worker: int | None) -> CheckpointFiles:
        """The files of one process; the record belongs to nobody."""
        return CheckpointFiles(*self, worker)

    def paths(self) -> list[str]:
        """Those that are there, the record first."""
        place = (str(self.epochs), str(self.batches))
        names = [name for name in os.listdir(self.folder) if (m := _FILE.match(name)) and m.groups() == place]
        return [os.path.join(self.folder, name) for name in sorted(names)]

    def remove(self) -> None:
        """Delete all of them."""
        self.of(None).remove(*self.paths())

    def newest_change(self) -> float:
        """When the newest of them was written, in seconds since the epoch of the clock."""
        return max(map(os.path.getmtime, self.paths()), default=0.0)


class ShardedCheckpoints:
    """The checkpoints of a sharded run; all processes call the methods together, unless these say otherwise.

    Args:
        folder: of the run.
        lockstep: the processes.
        model: the sharded model.
    """

    def __init__(self, folder: str, lockstep: Lockstep, model: nn.Module) -> None:
        self._folder = folder
        self._lockstep = lockstep
        self._model = model
        self._rank, self._size = lockstep.rank_and_size()
        self.damaged: set[ShardedFiles] = set()

    def check_folder(self) -> None:
        """Make sure that all processes see the same folder.

        Raises:
            ConfigurationError: they do not.
        """
        name, file = None, None
        if self._rank == 0:
            descriptor, file = tempfile.mkstemp(dir=self._folder, prefix=".shared_", suffix=".tmp")
            os.close(descriptor)
            name = os.path.basename(file)
        name = self._lockstep.broadcast(name)
        seen = self._lockstep.gather_everywhere(os.path.exists(os.path.join(self._folder, name)))
        if file is not None:
            os.remove(file)
        if not all(seen):
            raise ConfigurationError(
                f"{self._folder}: the processes {[rank for rank, sees in enumerate(seen) if not sees]} see another folder "
                "of this name than the first one; the parts of a sharded model have to come together, so give a folder "
                'that all machines share, or use the ddp_accelerator "torch"'
            )

    def save(self, files: ShardedFiles, checkpoint: TrainerCheckpoint) -> None:
        """Write a checkpoint.

        Raises:
            ConfigurationError: the folder is read-only or the disk is full; what is written so far does not count.
        """
        if self._rank == 0:
            files.remove()  # older files of this name must not mix with these
        self._lockstep.barrier()
        own = files.of(self._rank)
        model_part = part_of_state(checkpoint.model_state, self._lockstep.group)
        training_part = part_of_state(checkpoint.trainer_state, self._lockstep.group)
        record = own.write(model_part, training_part)
        records = self._lockstep.gather(record)
        if records is not None:
            files.of(None).write_record({name: entry for part in records for name, entry in part.items()})
        self._lockstep.barrier()
        self.damaged.discard(files)

    def load_newest(self) -> tuple[ShardedFiles, TrainerCheckpoint] | tuple[None, None]:
        """The newest checkpoint of which all parts are whole, and what it holds; None if there is none."""
        for files in self._lockstep.broadcast(self.recorded()):
            checkpoint, problem = self._load(files)
            if checkpoint is not None:
                return files, checkpoint
            self.damaged.add(files)
            if self._rank == 0:
                logger.warning("the checkpoint is damaged, going back to the one before: %s", problem)
        if self.damaged and self._rank == 0:
            logger.warning("%s: no checkpoint is whole, training starts over", self._folder)
        return None, None

    def recorded(self) -> list[ShardedFiles]:
        """The checkpoints with a record, newest first, as this process sees them."""
        return [files for files in reversed(self.found()) if os.path.isfile(files.of(None).record_path)]

    def found(self) -> list[ShardedFiles]:
        """The checkpoints of which any file is there, oldest first, as this process sees them."""
        matches = filter(None, map(_FILE.match, os.listdir(self._folder)))
        return sorted({ShardedFiles(self._folder, int(match[1]), int(match[2])) for match in matches})

    def _load(self, files: ShardedFiles) -> tuple[TrainerCheckpoint | None, str | None]:
        """A checkpoint, or what is wrong with it; each process compares a share of the files with their record."""
        problem, opened = None, []
        try:
            record = read_record(files.of(None).record_path)
            mine = {name: record[name] for name in sorted(record)[self._rank :: self._size]}
            verify_files(self._folder, mine)
            parts = [files.of(worker) for worker in range(len(record) // 2)]
            opened = [
                [load_state(path, lazily=True) for path in paths]
                for paths in zip(*((part.model_path, part.training_path) for part in parts), strict=True)
            ]
        except DamagedCheckpointError as error:
            problem = str(error)
        problem = next(filter(None, self._lockstep.gather_everywhere(problem)), None)
        if problem is not None or not opened:
            return None, problem or f"{files.of(None).record_path} names no files"
        return TrainerCheckpoint(*map(self._together, opened)), None

    def load_weights(self, paths: list[str]) -> dict[str, Any]:
        """Weights of which each process saved a part.

        Raises:
            DamagedCheckpointError: a file is missing or cannot be read.
        """
        weights: dict[str, Any] = self._together([load_state(path, lazily=True) for path in paths])
        return weights

    def _together(self, parts: list[dict[str, Any]]) -> Any:
        """The state of this process, as it saved it if it was there, with its share of what is spread."""
        own = parts[self._rank if len(parts) == self._size else 0]
        return spread_state(own["state"], parts, self._model, self._lockstep.group)


def parts_beside(path: str) -> list[str]:
    """The files of all parts of a state, of which the first is at `path`.

    Raises:
        DamagedCheckpointError: it is missing, or cannot be read.
    """
    num_parts = load_state(path, lazily=True).get("num_parts", 0)
    return [path.replace("_w0.th", f"_w{worker}.th") for worker in range(num_parts)]
