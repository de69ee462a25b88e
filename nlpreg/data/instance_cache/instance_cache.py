"""Instances that are read once and found again by later runs."""

from __future__ import annotations

import contextlib
import logging
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import CACHE_ROOT
from nlpreg.common.files import atomic_write
from nlpreg.common.fingerprint import NoFingerprintError
from nlpreg.data.cache_keys import NOT_OF_INTEREST, cache_is_off, key_of_data
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import find_files
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader
from nlpreg.data.fields.text_field import TextField
from nlpreg.data.instance import Instance
from nlpreg.data.instance_cache.packing import NotPackable, pack_instances, unpack_instances

logger = logging.getLogger(__name__)

INSTANCE_CACHE = CACHE_ROOT / "instances"

LEAST_BYTES = 1 << 18
"""Smaller files are read as quickly as they are found again."""

MOST_BYTES = 1 << 32
"""The cache forgets what was used longest ago when it grows beyond this."""

FORMAT = 1

_KNOWN_PACKAGES = ("nlpreg", "nlpreg_models", "builtins", "re")


def read_or_recall(
    reader: DatasetReader, data_path: Any, read: Callable[[], list[Instance]]
) -> list[Instance]:
    """All instances that a reader finds; from the cache if an earlier run has read the same.

    Only what readers, tokenizers and fields of this package make is kept, since nobody can tell on what the code of others
    depends. Instances are found again by the content of the files, the reader and the code. The vocabulary and the token indexers
    are not part of it: any can be laid over the same instances.

    Args:
        reader: sets the token indexers of what is found.
        data_path: what it reads.
        read: reads, if need be.
    """
    path = _path(reader, data_path)
    if path is None:
        return read()
    instances = _recall(path)
    if instances is None:
        instances = read()
        _keep(instances, reader, path)
        return instances
    for instance in instances:
        reader.apply_token_indexers(instance)
    logger.info("%s: %d instances that an earlier run has read", data_path, len(instances))
    return instances


def _path(reader: DatasetReader, data_path: Any) -> Path | None:
    """The file of the cache for these data, or None if they are not to be kept."""
    if cache_is_off() or not _is_known(reader):
        return None
    info = reader.get_distributed_info()
    share = None if info is None else (info.world_size, info.global_rank)
    try:
        files = find_files(data_path)
        if sum(os.path.getsize(file.path) for file in files) < LEAST_BYTES:
            return None
        return INSTANCE_CACHE / f"{key_of_data(reader, files, FORMAT, share)}.npz"
    except (NoFingerprintError, OSError, ConfigurationError) as reason:
        logger.info("%s: the instances will not be kept for later runs (%s)", data_path, reason)
        return None


def _is_known(reader: DatasetReader) -> bool:
    """Whether everything that decides what is read is part of this package."""
    if not isinstance(reader, TextFileReader) or reader._skip_bad_lines:  # which counts them in each run
        return False
    parts = [value for name, value in vars(reader).items() if name not in NOT_OF_INTEREST]
    return all(type(part).__module__.partition(".")[0] in _KNOWN_PACKAGES for part in [reader, *parts])


def _recall(path: Path) -> list[Instance] | None:
    """The instances in a file; None if it is absent or, which is said, damaged."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            instances = unpack_instances({name: arrays[name] for name in arrays.files})
        with contextlib.suppress(OSError):
            os.utime(path)  # used last
    except FileNotFoundError:
        return None
    except (OSError, EOFError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as error:
        logger.warning("%s: this part of the cache is damaged (%s); the data are read anew", path, error)
        return None
    return instances


def _keep(instances: Sequence[Instance], reader: DatasetReader, path: Path) -> None:
    """Write instances to the cache, if that is possible."""
    try:
        arrays = pack_instances(instances)
        _check_indexers(instances[0], reader)
        if sum(array.nbytes for array in arrays.values()) > MOST_BYTES:
            raise NotPackable("they are larger than the whole cache")
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # names of arrays, and none is that of an option
        _forget_oldest(path)
    except NotPackable as reason:
        logger.info("the instances will not be kept for later runs: %s", reason)
    except OSError as error:
        logger.warning("the instances could not be kept for later runs: %s", error)


def _check_indexers(instance: Instance, reader: DatasetReader) -> None:
    """Make sure that the reader can set the token indexers of what comes without.

    Raises:
        NotPackable: it would set others.
    """
    (copy,) = unpack_instances(pack_instances([instance]))
    reader.apply_token_indexers(copy)
    for name, field in instance.fields.items():
        found = copy.fields[name]
        if not isinstance(field, TextField) or not isinstance(found, TextField):
            continue
        if field._token_indexers is not found._token_indexers:
            raise NotPackable(f"the token indexers of {name!r} are not set by apply_token_indexers")


def _forget_oldest(newest: Path) -> None:
    """Remove what was used longest ago, until the rest is small enough."""
    found = []
    for path in newest.parent.glob("*.npz"):
        with contextlib.suppress(FileNotFoundError):  # another process removes too
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= MOST_BYTES or path == newest:
            break
        path.unlink(missing_ok=True)
        total -= size
