"""Checkpoints: the schedule of saving, which ones are kept, and their files, written atomically and verified when read."""

import json
import logging
import os
import re
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple

import torch
import torch.distributed as dist

from nlpreg.common import Registrable
from nlpreg.common.checks import ConfigurationError, check_at_least
from nlpreg.common.digests import DamagedFileError, Digest, damage_of, digest_of, read_record
from nlpreg.common.files import atomic_write, damage_in_zip, delete
from nlpreg.common.util import first_sentence, is_distributed, is_global_primary
from nlpreg.nn.parallel.torch_fsdp_accelerator import whole_state, write_shards
from nlpreg.training.communicator import make_communicator
from nlpreg.training.trainer import HasCheckpointState, TrainerCheckpoint

_FILE = re.compile(r"^(model_state|training_state|checkpoint)_e(\d+)_b(\d+)(?:_w(\d+))?\.(?:th|dcp|json)$")
_TEMPORARY = re.compile(r"^\..+[._][a-z0-9_]{8}\.tmp$")  # made by `atomic_write` and `run.link_file`


class DamagedCheckpointError(Exception):
    """A file of a checkpoint is missing, truncated or altered."""


class CheckpointFiles(NamedTuple):
    """The files of one checkpoint.

    Attributes:
        folder: the folder of the run.
        epochs: number of finished epochs.
        batches: number of updates done in the current epoch.
    """

    folder: str
    epochs: int
    batches: int

    @property
    def model_path(self) -> str:
        """File of the weights."""
        return self._path("model_state", ".th")

    @property
    def shards_path(self) -> str:
        """Folder of torch's distributed checkpoint; it replaces the file of the weights where shards are not gathered."""
        return self._path("model_state", ".dcp")

    @property
    def is_sharded(self) -> bool:
        """Whether the weights and the optimizer's state were saved as shards."""
        return os.path.isdir(self.shards_path)

    @property
    def training_path(self) -> str:
        """File of all other state."""
        return self._path("training_state", ".th")

    @property
    def record_path(self) -> str:
        """File with the sizes and checksums of the other two."""
        return self._path("checkpoint", ".json")

    def _path(self, kind: str, suffix: str) -> str:
        return os.path.join(self.folder, f"{kind}_e{self.epochs}_b{self.batches}{suffix}")

    def save(self, checkpoint: TrainerCheckpoint) -> None:
        """Write the files; for a sharded checkpoint, all processes call this.

        Raises:
            ConfigurationError: the folder is read-only or the disk is full; no partial file remains.
        """
        if checkpoint.trainer_state.get("is_sharded"):
            self._save_shards(checkpoint)
            return
        # Removed first, so that a kill in between never leaves a pair of files from two checkpoints. Without a training
        # state, the weights alone do not count as a checkpoint.
        self.remove(self.record_path, self.training_path, self.shards_path)
        record = {
            os.path.basename(path): save_state(path, state)
            for path, state in zip((self.model_path, self.training_path), checkpoint, strict=True)
        }
        self._write_record(record)

    def _save_shards(self, checkpoint: TrainerCheckpoint) -> None:
        rank = dist.get_rank()
        if rank == 0:
            self.remove()
        dist.barrier()
        with _disk_errors_explained(self.shards_path):
            write_shards(checkpoint.model_state, self.shards_path)
        # each process computes digests of the files that it wrote, `__<rank>_<number>.distcp`, the first one also of the index
        own: dict[str, Digest] = {}
        for name in os.listdir(self.shards_path):
            if name.startswith(f"__{rank}_") or (rank == 0 and name == ".metadata"):
                path = os.path.join(self.shards_path, name)
                key = f"{os.path.basename(self.shards_path)}/{name}"
                own[key] = digest_of(path)
        records: list[Any] | None = [None] * dist.get_world_size() if rank == 0 else None
        dist.gather_object(own, records, dst=0)
        if records is not None:
            record = {name: entry for part in records for name, entry in part.items()}
            record[os.path.basename(self.training_path)] = save_state(
                self.training_path, checkpoint.trainer_state
            )
            self._write_record(record)

    def complete(self) -> None:
        """Write the record if it is missing because the process was killed before writing it."""
        needed = self._needed()
        if needed and not os.path.isfile(self.record_path):
            self._write_record({os.path.basename(path): digest_of(path) for path in needed})

    def _write_record(self, record: dict[str, Digest]) -> None:
        with _disk_errors_explained(self.record_path), atomic_write(self.record_path, "w") as file:
            json.dump(record, file, indent=2)

    def digest_of_model(self) -> Digest:
        """The recorded digest of the file of the weights; computed from the file if there is no record."""
        try:
            return read_record(self.record_path)[os.path.basename(self.model_path)]
        except (DamagedFileError, KeyError):
            return digest_of(self.model_path)

    def load(self) -> TrainerCheckpoint:
        """Read the files onto the CPU; call `verify` first.

        Raises:
            DamagedCheckpointError: a file is missing or cannot be read.
        """
        if num_parts := self._num_parts():
            return self._load_parts(num_parts)
        if self.is_sharded:  # the run itself reads the shards, into tensors sharded over its own processes
            return TrainerCheckpoint({}, {**load_state(self.training_path), "shards": self.shards_path})
        return TrainerCheckpoint(load_state(self.model_path), load_state(self.training_path))

    def _num_parts(self) -> int:
        """The number of processes that each saved a part of a sharded model, in state version 1; otherwise 0."""
        if os.path.exists(self.model_path) or self.is_sharded:
            return 0
        num_parts = 0
        while os.path.exists(self._path("training_state", f"_w{num_parts}.th")):
            num_parts += 1
        return num_parts

    def _load_parts(self, num_parts: int) -> TrainerCheckpoint:
        states = []
        for kind in ("model_state", "training_state"):
            paths = (self._path(kind, f"_w{rank}.th") for rank in range(num_parts))
            states.append([load_state(path, lazily=True) for path in paths])
        try:
            model_state, training_state = map(whole_state, states)
            # the state that differs between processes: generators, position in the data, metrics
            training_state["processes"] = [part["state"]["processes"][0] for part in states[1]]
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise DamagedCheckpointError(
                f"{self.record_path}: the parts of the checkpoint do not fit together ({error!r})"
            ) from error
        return TrainerCheckpoint(model_state, training_state)

    def is_complete(self) -> bool:
        """Whether weights and training state are there; for shards and parts, whether the record is."""
        return all(map(os.path.isfile, self._needed() or [self.record_path]))

    def _needed(self) -> list[str]:
        """The files of a checkpoint without shards; those of a sharded one are listed only in its record."""
        return [] if self._num_parts() or self.is_sharded else [self.model_path, self.training_path]

    def verify(self) -> None:
        """Compare the files with their record.

        Raises:
            DamagedCheckpointError: a file is missing, or differs from what was written.
        """
        needed = self._needed()
        for path in needed:
            if not os.path.isfile(path):
                raise DamagedCheckpointError(f"{path} is missing")
        if os.path.isfile(self.record_path):
            try:
                record = read_record(self.record_path)
            except DamagedFileError as error:
                raise DamagedCheckpointError(str(error)) from error
            for path in needed:
                if os.path.basename(path) not in record:
                    raise DamagedCheckpointError(
                        f"{self.record_path} cannot be read (it has no entry for {path})"
                    )
            for name, digest in record.items():
                # a file, or a file in the folder of shards; never a path outside of the run's folder
                steps = [step for step in name.split("/")[-2:] if step not in ("", ".", "..")]
                path = os.path.join(self.folder, *steps)
                if (damage := damage_of(path, digest)) is not None:
                    raise DamagedCheckpointError(f"{path} {damage}")
        elif not needed:
            raise DamagedCheckpointError(f"{self.record_path} is missing")

    def remove(self, *paths: str) -> None:
        """Delete the given files, or all of them."""
        # the weights last: what remains after a kill is never taken for a checkpoint
        in_order = ("checkpoint", "training_state", "model_state")
        for path in paths or sorted(self._existing(), key=lambda p: in_order.index(_kind_of(p))):
            with suppress(FileNotFoundError), _disk_errors_explained(path):
                delete(path)

    def newest_change(self) -> float:
        """Time of the last change of a file, in seconds since the Unix epoch."""
        return max(map(os.path.getmtime, self._existing()), default=0.0)

    def _existing(self) -> list[str]:
        """The paths of all files of this checkpoint that exist."""
        position = (str(self.epochs), str(self.batches))
        names = os.listdir(self.folder)
        return [
            os.path.join(self.folder, n) for n in names if (m := _FILE.match(n)) and m.group(2, 3) == position
        ]


def _kind_of(path: str) -> str:
    match = _FILE.match(os.path.basename(path))
    return match[1] if match else ""


def find_checkpoints(folder: str) -> list[CheckpointFiles]:
    """The checkpoints in the folder of a run, oldest first; incomplete ones are included."""
    matches = filter(None, map(_FILE.match, os.listdir(folder)))
    return sorted({CheckpointFiles(folder, int(match[2]), int(match[3])) for match in matches})


def remove_temporary_files(folder: str) -> None:
    """Delete the temporary files and folders that killed processes left in a folder and its subfolders."""
    for place, folders, names in os.walk(folder):
        for name in filter(_TEMPORARY.match, names):
            with suppress(FileNotFoundError):
                os.remove(os.path.join(place, name))
        for name in filter(_TEMPORARY.match, list(folders)):
            folders.remove(name)
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)


def save_state(path: str, state: dict[str, Any]) -> Digest:
    """Write a state to a file atomically.

    Returns:
        Its size and checksum.

    Raises:
        ConfigurationError: the folder is read-only or the disk is full.
    """
    with _disk_errors_explained(path), atomic_write(path) as file:
        writer = _ChecksumWriter(file)  # so that the file need not be read again for its checksum
        torch.save(state, writer)  # type: ignore[arg-type]  # it needs only `write` and `flush`
        return {"size": writer.size, "crc32": writer.checksum}


def load_state(path: str, lazily: bool = False) -> dict[str, Any]:
    """Read a state of tensors and plain values onto the CPU, without running any code in it.

    Args:
        path: path of the file.
        lazily: map the file into memory and read each tensor on first use.

    Raises:
        DamagedCheckpointError: the file is missing or damaged, or contains objects of other types.
    """
    if not os.path.isfile(path):
        raise DamagedCheckpointError(f"{path} is missing")
    if (damage := damage_in_zip(path)) is not None:
        raise DamagedCheckpointError(f"{path} is damaged: {damage}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=lazily)
    except Exception as error:  # torch raises errors of many types for a damaged file
        raise DamagedCheckpointError(f"{path} cannot be read ({first_sentence(error)})") from error
    if not isinstance(state, dict):
        raise DamagedCheckpointError(f"{path}: expected a dictionary, found a {type(state).__name__}")
    return state


@contextmanager
def _disk_errors_explained(path: str) -> Iterator[None]:
    """Convert errors of a full disk or a read-only folder to a `ConfigurationError` with advice."""
    try:
        yield
    except FileNotFoundError as error:
        if os.path.isdir(os.path.dirname(path)):
            raise
        raise ConfigurationError(f"{path}: cannot be written, its folder is gone") from error
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "inline_container" not in str(error):
            raise  # not raised by torch's file writer
        reason = getattr(error, "strerror", None) or "the disk may be full"
        raise ConfigurationError(
            f"{path}: cannot be written ({reason}); earlier checkpoints are untouched. Make room or give write "
            "permission, then resume with `--recover`"
        ) from error


class _ChecksumWriter:
    """A file object that computes the size and the CRC-32 of the bytes written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = 0
        self.checksum = 0

    def write(self, data: Any) -> int:
        """Write bytes."""
        self.size += len(data)
        self.checksum = zlib.crc32(data, self.checksum)
        self._file.write(data)
        return len(data)

    def flush(self) -> None:
        """Flush the buffer to the operating system."""
        self._file.flush()


logger = logging.getLogger(__name__)


class Checkpointer(Registrable):
    """Saves the state of a run at intervals, and finds the newest intact checkpoint.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        save_completed_epochs: whether to save after each epoch.
        save_every_num_seconds: also save within an epoch, this many seconds after the last checkpoint.
        save_every_num_batches: also save within an epoch, each time this many updates are done.
        keep_most_recent_by_count: number of checkpoints to keep; with 0, none is kept and the run cannot be resumed.
        keep_most_recent_by_age: also keep checkpoints that are at most this many seconds old. If both are None, all
            are kept.
        save_sharded: whether each process of a sharded model (`ddp_accelerator: fsdp2`) writes its own shards with torch's
            distributed checkpoint, for models whose weights and optimizer state are too large to gather. All machines must
            share the folder of the run. No effect on other models.

    Attributes:
        last_saved: number of finished epochs, and of updates in the current one, at the last checkpoint; None before any.
        state_is_sharded: whether each process writes its shards of a sharded model, which are then not gathered.

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
        save_sharded: bool = False,
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
        check_at_least(
            0,
            keep_most_recent_by_count=keep_most_recent_by_count,
            keep_most_recent_by_age=keep_most_recent_by_age,
        )
        self.state_is_sharded = save_sharded
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
        """Whether checkpoints are kept, so that the run can be resumed."""
        return self._keep_by_count != 0 or self._keep_by_age is not None

    def maybe_save_checkpoint(
        self,
        trainer: HasCheckpointState,
        num_epochs_completed: int,
        num_batches_in_epoch_completed: int,
    ) -> bool:
        """Save a checkpoint if one is due.

        Args:
            trainer: whose state to save.
            num_epochs_completed: number of finished epochs.
            num_batches_in_epoch_completed: number of updates done in the next one; 0 at the end of an epoch.

        Returns:
            Whether a checkpoint was due.
        """
        if not self._is_due(num_batches_in_epoch_completed):
            return False
        # Not passed on as an argument: subclasses override `save_checkpoint(trainer)`, as in AllenNLP.
        self._position = (num_epochs_completed, num_batches_in_epoch_completed)
        self.save_checkpoint(trainer)
        return True

    def save_checkpoint(self, trainer: HasCheckpointState) -> None:
        """Save a checkpoint now, and delete those that are no longer kept.

        Args:
            trainer: its state is saved. The numbers of epochs and updates are read from the training state
                (`epochs_completed` and `batches_in_epoch_completed`), unless `maybe_save_checkpoint` calls this.

        Raises:
            ConfigurationError: the folder is read-only or the disk is full.
        """
        checkpoint = trainer.get_checkpoint_state()  # in a distributed run, called by every process
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
        """Paths of the weights and of the training state of the newest intact checkpoint, or None."""
        files = next(self._intact(), None)
        if files is None:
            return None
        return files.shards_path if files.is_sharded else files.model_path, files.training_path

    def load_checkpoint(self) -> TrainerCheckpoint | None:
        """The newest intact checkpoint, on the CPU; None if there is none.

        Damaged checkpoints are skipped with a warning. In a distributed run all processes load the same checkpoint; a
        machine that cannot read the folder of the first process receives it from there.
        """
        files, checkpoint = self._load_together() if is_distributed() else self._load_newest()
        if files is not None:
            self.last_saved = (files.epochs, files.batches)
            self._last_save_num_batches = files.batches
            self.remove_old_checkpoints()  # a killed process may have left incomplete checkpoints, or too many
        return checkpoint

    def remove_old_checkpoints(self) -> None:
        """Delete the checkpoints that are no longer kept, and damaged ones; only the first process does so."""
        if not is_global_primary() or (self._keep_by_count is None and self._keep_by_age is None):
            return
        found = find_checkpoints(self._serialization_dir)
        intact = [files for files in found if files not in self._damaged and files.is_complete()]
        keep = set(intact[-self._keep_by_count :] if self._keep_by_count else [])
        if self._keep_by_age is not None:
            oldest = time.time() - self._keep_by_age
            keep.update(files for files in intact if files.newest_change() >= oldest)
        for files in found:
            if files not in keep:
                files.remove()

    def _is_due(self, num_batches: int) -> bool:
        if num_batches == 0 and self._save_completed_epochs:
            return True
        if num_batches < self._last_save_num_batches:
            self._last_save_num_batches = 0  # in a new epoch, batches are counted from 0 again
        every_seconds, every_batches = self._save_every_num_seconds, self._save_every_num_batches
        if every_seconds is not None and time.monotonic() - self._last_save_time >= every_seconds:
            return True
        return every_batches is not None and num_batches - self._last_save_num_batches >= every_batches

    def _intact(self) -> Iterator[CheckpointFiles]:
        """The intact checkpoints, newest first."""
        if not os.path.isdir(self._serialization_dir):
            return
        for files in reversed(find_checkpoints(self._serialization_dir)):
            if files in self._damaged:
                continue
            try:
                files.verify()
            except DamagedCheckpointError as error:
                self._skip_damaged(files, error)
            else:
                yield files

    def _load_newest(self) -> tuple[CheckpointFiles | None, TrainerCheckpoint | None]:
        for files in self._intact():
            try:
                checkpoint = files.load()
            except DamagedCheckpointError as error:
                self._skip_damaged(files, error)
            else:
                files.complete()
                return files, checkpoint
        if self._damaged:
            logger.warning("%s: no checkpoint is intact, training starts over", self._serialization_dir)
        return None, None

    def _load_together(self) -> tuple[CheckpointFiles | None, TrainerCheckpoint | None]:
        """The newest intact checkpoint that the first process finds, loaded by all processes."""
        communicator = make_communicator(True)
        files, checkpoint = self._load_newest() if is_global_primary() else (None, None)
        position = communicator.broadcast(None if files is None else (files.epochs, files.batches))
        if position is None:
            return None, None
        files = CheckpointFiles(self._serialization_dir, *position)
        try:
            checkpoint = checkpoint or files.load()
        except DamagedCheckpointError:
            logger.info("%s: not visible to this process; received from the first one", files.model_path)
        if not all(communicator.all_gather(checkpoint is not None)):
            received = communicator.broadcast(checkpoint)
            checkpoint = checkpoint or received
        return files, checkpoint

    def _skip_damaged(self, files: CheckpointFiles, error: DamagedCheckpointError) -> None:
        if files not in self._damaged:
            self._damaged.add(files)
            logger.warning("the checkpoint is damaged; using the previous one: %s", error)


Checkpointer.register("default")(Checkpointer)
