"""Digests of the files in a folder, kept beside them in `.digests.json`, so that damage is noticed when they are read."""

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
"""Begins with a dot, so that nobody takes it for one of the files: each other file of a vocabulary is a namespace."""

Digest = dict[str, int]
"""What is recorded of a file: its `size` in bytes, and its checksum, `crc32`."""

_MAX_BYTES = 2**26
_CHUNK_BYTES = 2**20


class DamagedFileError(ConfigurationError):
    """A file does not hold what was written to it."""


def digest_of(path: str | os.PathLike[str]) -> Digest:
    """Size and checksum of a file as it is now."""
    size = checksum = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            size += len(chunk)
            checksum = zlib.crc32(chunk, checksum)
    return {"size": size, "crc32": checksum}


def damage_of(path: str | os.PathLike[str], digest: Digest) -> str | None:
    """What is wrong with a file, in the words of a sentence about it; None if it is as recorded."""
    if not os.path.isfile(path):
        return "is missing"
    found = os.path.getsize(path)
    if found != digest["size"]:
        return f"has {found} bytes instead of {digest['size']}"
    return None if digest_of(path) == digest else "is not what was written: its checksum differs"


def record_digests(
    folder: str | os.PathLike[str], names: Iterable[str] = (), known: Mapping[str, Digest] | None = None
) -> None:
    """Record what files of a folder hold now; what is recorded of other files stays.

    Args:
        folder: the folder, which gets or has the file `.digests.json`.
        names: paths relative to the folder; those of no file are skipped.
        known: digests of further files that were taken while these were written.
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
    """Drop the records of files that are about to change; a process that is killed then leaves no wrong record.

    Args:
        folder: the folder.
        patterns: names as in the record, or patterns of names.
    """
    with contextlib.suppress(DamagedFileError):  # written anew below
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
    """The recorded digests by the name of the file; empty if there are none.

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
            f"{error}: it holds the digests of the files beside it, which may be whole; remove it to load them unchecked"
        ) from error


def read_record(path: str | os.PathLike[str]) -> dict[str, Digest]:
    """Sizes and checksums of files from a JSON file.

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
    """What is wrong with the files of a folder, each as "path, what"; files of which nothing is recorded pass.

    Args:
        folder: the folder.
        names: as in the record; unless given, all files that lie directly in the folder.

    Raises:
        DamagedFileError: the record cannot be read.
    """
    digests = read_digests(folder)
    # The record may come with an archive of anybody's: its names must not lead out of the folder.
    wanted = [name for name in digests if os.path.basename(name) == name] if names is None else list(names)
    damages = []
    for name in wanted:
        path = os.path.join(folder, name)
        if name in digests and (damage := damage_of(path, digests[name])) is not None:
            damages.append(f"{path} {damage}")
    return damages


def check_digests(folder: str | os.PathLike[str], names: Iterable[str] | None = None) -> None:
    """Compare files with what was recorded of them, as `damages_in`.

    Raises:
        DamagedFileError: a file is missing or differs; the message names the first three.
    """
    damages = damages_in(folder, names)
    if damages:
        more = f"; and {len(damages) - 3} more files" if len(damages) > 3 else ""
        raise DamagedFileError(
            f"{'; '.join(damages[:3])}{more}. Bring back a copy or, after a change on purpose, remove "
            f"{os.path.join(folder, DIGESTS_NAME)}"
        )


def warn_if_changed(folder: str | os.PathLike[str], *names: str) -> None:
    """Log a warning about files that differ from what was recorded: for those that people may well edit."""
    for name in names:
        try:
            check_digests(folder, [name])
        except DamagedFileError as error:
            logger.warning("%s", error)


def write_digests(folder: str | os.PathLike[str], digests: Mapping[str, Digest]) -> None:
    """Write the record of a folder anew."""
    with atomic_write(os.path.join(folder, DIGESTS_NAME), "w") as file:
        json.dump(dict(sorted(digests.items())), file, indent=1)
