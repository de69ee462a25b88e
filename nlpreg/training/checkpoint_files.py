"""The files of one checkpoint: written whole or not at all, and recognized when they are damaged.

A checkpoint is `model_state_e{E}_b{B}.th` and `training_state_e{E}_b{B}.th`, after E epochs and B updates of the next,
and `checkpoint_e{E}_b{B}.json`, which records the size and CRC-32 of the two and is written last. A pair without a
record (of AllenNLP, or of a process that was killed just before) is taken if both files load.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.files import atomic_write, damage_in_zip
from nlpreg.nn.parallel.sharded_states import whole_state
from nlpreg.training.trainer import TrainerCheckpoint

_FILE = re.compile(r"^(model_state|training_state|checkpoint)_e(\d+)_b(\d+)(?:_w(\d+))?\.(?:th|json)$")
_LEFT_OVER = re.compile(r"^\..+[._][a-z0-9_]{8}\.tmp$")  # of `atomic_write`, and of other names for `best.th`
_CHUNK = 1 << 20

Record = dict[str, dict[str, int]]
"""For each name of a file its `size` in bytes and its checksum, `crc32`."""


class DamagedCheckpointError(Exception):
    """Files of a checkpoint that are missing, cut short or changed."""


class CheckpointFiles(NamedTuple):
    """Where the files of one checkpoint are.

    Attributes:
        folder: the folder of the run.
        epochs: number of finished epochs.
        batches: number of updates done in the next one.
    """

    folder: str
    epochs: int
    batches: int

    @property
    def model_path(self) -> str:
        """File of the weights."""
        return self._path("model_state", ".th")

    @property
    def training_path(self) -> str:
        """File of everything else."""
        return self._path("training_state", ".th")

    @property
    def record_path(self) -> str:
        """File with the sizes and checksums of the other two."""
        return self._path("checkpoint", ".json")

    def _path(self, kind: str, suffix: str) -> str:
        return os.path.join(self.folder, f"{kind}_e{self.epochs}_b{self.batches}{suffix}")

    def save(self, checkpoint: TrainerCheckpoint) -> None:
        """Write the files.

        Raises:
            ConfigurationError: the folder is read-only or the disk is full; no file is left half written.
        """
        # An older pair of this name must not mix with this one. Without its training state it is no checkpoint.
        self.remove(self.record_path, self.training_path)
        record = {
            os.path.basename(path): save_state(path, state)
            for path, state in zip((self.model_path, self.training_path), checkpoint, strict=True)
        }
        self._write_record(record)

    def complete(self) -> None:
        """Write the record of a pair that loaded without one: its process was killed just before."""
        if not os.path.isfile(self.record_path) and not self._num_parts():
            self._write_record(
                {
                    os.path.basename(path): {"size": os.path.getsize(path), "crc32": _checksum_of(path)}
                    for path in (self.model_path, self.training_path)
                }
            )

    def _write_record(self, record: Record) -> None:
        with _clear_errors(self.record_path), atomic_write(self.record_path, "w") as file:
            json.dump(record, file, indent=2)

    def load(self) -> TrainerCheckpoint:
        """Read the files back, onto the CPU; call `verify` first.

        Raises:
            DamagedCheckpointError: one is missing or cannot be read.
        """
        if num_parts := self._num_parts():
            return self._load_parts(num_parts)
        return TrainerCheckpoint(load_state(self.model_path), load_state(self.training_path))

    def _num_parts(self) -> int:
        """The number of processes that saved a part of a sharded model each, as versions before 2 did; otherwise 0."""
        if os.path.exists(self.model_path):
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
            # what each process has of its own: generators, position in the data, metrics
            training_state["processes"] = [part["state"]["processes"][0] for part in states[1]]
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise DamagedCheckpointError(
                f"{self.record_path}: its parts do not fit together ({error!r})"
            ) from error
        return TrainerCheckpoint(model_state, training_state)

    def is_complete(self) -> bool:
        """Whether both files are there, or all parts of a checkpoint of a sharded model."""
        if self._num_parts():
            return os.path.isfile(self.record_path)
        return os.path.isfile(self.model_path) and os.path.isfile(self.training_path)

    def verify(self) -> None:
        """Compare the files with their record.

        Raises:
            DamagedCheckpointError: one is missing, or is not what was written.
        """
        # the parts of an old sharded checkpoint are known from its record only
        needed = [] if self._num_parts() else [self.model_path, self.training_path]
        for path in needed:
            if not os.path.isfile(path):
                raise DamagedCheckpointError(f"{path} is missing")
        if os.path.isfile(self.record_path):
            record = read_record(self.record_path)
            for path in needed:
                if os.path.basename(path) not in record:
                    raise DamagedCheckpointError(
                        f"{self.record_path} cannot be read (it says nothing of {path})"
                    )
            verify_files(self.folder, record)
        elif not needed:
            raise DamagedCheckpointError(f"{self.record_path} is missing")

    def remove(self, *paths: str) -> None:
        """Delete some of the files, or all of them, the weights last."""
        in_order = (
            "checkpoint",
            "training_state",
            "model_state",
        )  # a half that a kill leaves is no checkpoint
        for path in paths or sorted(self._present(), key=lambda p: in_order.index(_kind_of(p))):
            with suppress(FileNotFoundError), _clear_errors(path):
                os.remove(path)

    def newest_change(self) -> float:
        """When the newest of the files was written, in seconds since the epoch of the clock."""
        return max(map(os.path.getmtime, self._present()), default=0.0)

    def _present(self) -> list[str]:
        place = (str(self.epochs), str(self.batches))
        names = os.listdir(self.folder)
        return [
            os.path.join(self.folder, n) for n in names if (m := _FILE.match(n)) and m.group(2, 3) == place
        ]


def _kind_of(path: str) -> str:
    match = _FILE.match(os.path.basename(path))
    return match[1] if match else ""


def find_checkpoints(folder: str) -> list[CheckpointFiles]:
    """The checkpoints in a folder of which at least one file is there, oldest first.

    Args:
        folder: the folder of the run.
    """
    matches = filter(None, map(_FILE.match, os.listdir(folder)))
    return sorted({CheckpointFiles(folder, int(match[2]), int(match[3])) for match in matches})


def remove_left_overs(folder: str) -> None:
    """Delete temporary files and folders that a killed process left behind, in a folder and in those inside it."""
    for place, folders, names in os.walk(folder):
        for name in filter(_LEFT_OVER.match, names):
            with suppress(FileNotFoundError):
                os.remove(os.path.join(place, name))
        for name in filter(_LEFT_OVER.match, list(folders)):
            folders.remove(name)
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)


def read_record(path: str) -> Record:
    """The sizes and checksums of files.

    Raises:
        DamagedCheckpointError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            record: Record = json.load(file)
        for entry in record.values():
            int(entry["size"]), int(entry["crc32"])
        return record
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedCheckpointError(f"{path} cannot be read ({error})") from error


def verify_files(folder: str, record: Record) -> None:
    """Compare files with their record.

    Raises:
        DamagedCheckpointError: one is missing, or is not what was written.
    """
    for name, entry in record.items():
        path = os.path.join(folder, os.path.basename(name))
        if not os.path.isfile(path):
            raise DamagedCheckpointError(f"{path} is missing")
        found = os.path.getsize(path)
        if found != entry["size"]:
            raise DamagedCheckpointError(f"{path} has {found} bytes instead of {entry['size']}")
        if _checksum_of(path) != entry["crc32"]:
            raise DamagedCheckpointError(f"{path} is not what was written: its checksum differs")


def save_state(path: str, state: dict[str, Any]) -> dict[str, int]:
    """Write a state; the file appears under its name only when it is whole.

    Returns:
        Its size in bytes and its CRC-32, by the names `size` and `crc32`.

    Raises:
        ConfigurationError: the folder is read-only or the disk is full.
    """
    with _clear_errors(path), atomic_write(path) as file:
        counted = _Counted(file)  # so that the file need not be read again for its checksum
        torch.save(state, counted)  # type: ignore[arg-type]  # it asks for `write` and `flush` only
        return {"size": counted.size, "crc32": counted.checksum}


def load_state(path: str, lazily: bool = False) -> dict[str, Any]:
    """Read a state of tensors and plain values onto the CPU, without running any code in it.

    Args:
        path: of the file.
        lazily: read each tensor only when its values are asked for.

    Raises:
        DamagedCheckpointError: it is missing, damaged, or holds anything else.
    """
    if not os.path.isfile(path):
        raise DamagedCheckpointError(f"{path} is missing")
    if (damage := damage_in_zip(path)) is not None:
        raise DamagedCheckpointError(f"{path} is not what was written: {damage}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=lazily)
    except Exception as error:  # a file that is not what it should be can break the reader in any way
        reason = str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise DamagedCheckpointError(f"{path} cannot be read ({reason})") from error
    if not isinstance(state, dict):
        raise DamagedCheckpointError(f"{path} holds no state but a {type(state).__name__}")
    return state


@contextmanager
def _clear_errors(path: str) -> Iterator[None]:
    """Turn the errors of a full disk or a read-only folder into one that says what to do."""
    try:
        yield
    except FileNotFoundError as error:
        if os.path.isdir(os.path.dirname(path)):
            raise
        raise ConfigurationError(f"{path}: cannot be written, its folder is gone") from error
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "inline_container" not in str(error):
            raise  # no complaint of torch's writer
        reason = getattr(error, "strerror", None) or "the disk may be full"
        raise ConfigurationError(
            f"{path}: cannot be written ({reason}); earlier checkpoints are untouched. Make room or give write "
            "permission, then resume with `--recover`"
        ) from error


class _Counted:
    """A file that counts and sums up what is written to it."""

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
        """Hand what is buffered to the system."""
        self._file.flush()


def _checksum_of(path: str) -> int:
    checksum = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return checksum
