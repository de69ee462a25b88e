"""Digests of the files in a folder, stored in `.digests.json`, by which damage is detected when they are read."""

import contextlib
import fnmatch
import json
import logging
import os
import zlib
from collections.abc import Iterable, Mapping

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.files import atomic_write

logger = logging.getLogger(__name__)

DIGESTS_NAME = ".digests.json"
"""Hidden, because every other file in the folder of a vocabulary is a namespace."""

Digest = dict[str, int]
"""The record of a file: its `size` in bytes and its checksum, `crc32`."""

_MAX_BYTES = 2**26
_CHUNK_BYTES = 2**20


class DamagedFileError(ConfigurationError):
    """The content of a file is not what was written to it."""


def digest_of(path: str | os.PathLike[str]) -> Digest:
    """Compute the size and the checksum of a file."""
    size = checksum = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            size += len(chunk)
            checksum = zlib.crc32(chunk, checksum)
    return {"size": size, "crc32": checksum}


def damage_of(path: str | os.PathLike[str], digest: Digest) -> str | None:
    """How a file differs from its record, as a predicate for a message; None if it does not."""
    if not os.path.isfile(path):
        return "is missing"
    found = os.path.getsize(path)
    if found != digest["size"]:
        return f"has {found} bytes instead of {digest['size']}"
    return None if digest_of(path) == digest else "is not what was written: its checksum differs"


def record_digests(
    folder: str | os.PathLike[str], names: Iterable[str] = (), known: Mapping[str, Digest] | None = None
) -> None:
    """Record the digests of files of a folder; the records of other files are kept.

    Args:
        folder: the folder that contains `.digests.json`.
        names: paths relative to the folder; missing files are skipped.
        known: digests of additional files, computed while they were written.
    """
    try:
        digests = read_digests(folder)
    except DamagedFileError:
        digests = {}
    digests.update(known or {})
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            digests[name] = digest_of(path)
    write_digests(folder, digests)


def forget_digests(folder: str | os.PathLike[str], *patterns: str) -> None:
    """Remove the records of files that are about to change, so that a killed process leaves no wrong record.

    Args:
        folder: the folder.
        patterns: names as in the record, or patterns of names.
    """
    with contextlib.suppress(DamagedFileError):  # rewritten below
        digests = read_digests(folder)
        kept = {
            name: digest
            for name, digest in digests.items()
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        }
        if kept == digests:
            return
        if kept:
            write_digests(folder, kept)
            return
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, DIGESTS_NAME))


def read_digests(folder: str | os.PathLike[str]) -> dict[str, Digest]:
    """File name -> recorded digest; empty if nothing is recorded.

    Raises:
        DamagedFileError: the record itself cannot be read.
    """
    path = os.path.join(folder, DIGESTS_NAME)
    if not os.path.isfile(path):
        return {}
    try:
        return read_record(path)
    except DamagedFileError as error:
        raise DamagedFileError(
            f"{error}: it has the digests of the files next to it, which may be undamaged; remove it to load them unchecked"
        ) from error


def read_record(path: str | os.PathLike[str]) -> dict[str, Digest]:
    """Read sizes and checksums of files from a JSON file.

    Raises:
        DamagedFileError: it cannot be read.
    """
    try:
        if os.path.getsize(path) > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES:,} bytes")
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        return {
            str(name): {"size": int(entry["size"]), "crc32": int(entry["crc32"])}
            for name, entry in record.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFileError(f"{path} cannot be read ({error})") from error


def damages_in(folder: str | os.PathLike[str], names: Iterable[str] | None = None) -> list[str]:
    """Describe the differences between the files of a folder and their records; files without a record are skipped.

    Args:
        folder: the folder.
        names: as in the record; by default all files directly in the folder.

    Raises:
        DamagedFileError: the record cannot be read.
    """
    digests = read_digests(folder)
    # The record may come with an untrusted archive, so its names must not lead out of the folder.
    wanted = [name for name in digests if os.path.basename(name) == name] if names is None else list(names)
    damages = []
    for name in wanted:
        path = os.path.join(folder, name)
        if name in digests and (damage := damage_of(path, digests[name])) is not None:
            damages.append(f"{path} {damage}")
    return damages


def check_digests(folder: str | os.PathLike[str], names: Iterable[str] | None = None) -> None:
    """Raise an error if files differ from their records, see `damages_in`.

    Raises:
        DamagedFileError: a file is missing or differs; the message names the first three.
    """
    damages = damages_in(folder, names)
    if damages:
        more = f"; and {len(damages) - 3} more files" if len(damages) > 3 else ""
        raise DamagedFileError(
            f"{'; '.join(damages[:3])}{more}. Restore a copy or, after a deliberate change, remove "
            f"{os.path.join(folder, DIGESTS_NAME)}"
        )


def warn_if_changed(folder: str | os.PathLike[str], *names: str) -> None:
    """Log a warning if files differ from their records, for files that users may edit; without names, all of the folder."""
    groups: list[list[str] | None] = [[name] for name in names]
    for wanted in groups or [None]:
        try:
            check_digests(folder, wanted)
        except DamagedFileError as error:
            logger.warning("%s", error)


def write_digests(folder: str | os.PathLike[str], digests: Mapping[str, Digest]) -> None:
    """Overwrite the record of a folder."""
    with atomic_write(os.path.join(folder, DIGESTS_NAME), "w") as file:
        json.dump(dict(sorted(digests.items())), file, indent=1)
