"""Tar archives from strangers, unpacked without trusting them, and our own, packed the same way every time."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import IO, cast

from nlpreg.common.files import atomic_write
from nlpreg.models.weights import ArchiveError

__all__ = ["pack", "unpack"]

MAX_MEMBERS = 100_000
MAX_PATH_BYTES = 3000
MAX_FOLDERS = 100
HARMLESS_BYTES = 2**30
"""Archives that unpack to less than this are never taken for a decompression bomb."""
MAX_EXPANSION = 100
"""Weights and vocabularies shrink by a factor of 1.1 to 5; gzip can reach 1000 on a file made for it."""
MAX_SINGLE_READ = 2**24
"""Tar reads headers in one piece; a header of more bytes than this is an attack on memory."""
CHUNK_BYTES = 2**20


def unpack(archive: str, folder: str) -> None:
    """Unpack a tar file, gzipped or not, below `folder`.

    Only plain files and folders whose path stays inside `folder` are accepted, each path once.

    Args:
        archive: path of the tar file.
        folder: an existing folder.

    Raises:
        ArchiveError: the archive is cut off, damaged or no tar file at all; holds links, devices or paths that lead
            outside; or unpacks to far more than its own size. What was unpacked so far stays in `folder`.
    """
    limit = max(HARMLESS_BYTES, MAX_EXPANSION * os.path.getsize(archive))
    try:
        with open(archive, "rb") as raw, _decompressed(raw) as plain:
            stream = _CountingReader(plain, limit, archive)
            with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as tar:
                _extract_members(tar, archive, folder)
            while stream.read(CHUNK_BYTES):  # to the end, where gzip keeps its checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveError(
            f"{archive}: cannot be unpacked, so it is damaged, cut off or no tar archive ({error}); "
            "copy or make it again"
        ) from error
    except (ValueError, UnicodeError, OverflowError) as error:  # header fields made to confuse
        raise ArchiveError(f"{archive}: refused, a member's header is not valid ({error})") from error


def pack(archive: str, members: Iterable[tuple[str, str]]) -> None:
    """Write a gzipped tar file that depends on nothing but the members' paths and contents.

    The file appears under its name only when it is whole.

    Args:
        archive: path of the file to write.
        members: (path of a file on disk, its path in the archive).
    """
    with (
        atomic_write(archive) as raw,
        # Weights hardly shrink: a higher level costs minutes and saves a few percent.
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as compressed,
        tarfile.open(fileobj=cast(IO[bytes], compressed), mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path, name in sorted(members, key=lambda member: member[1]):
            info = tarfile.TarInfo(name)
            info.mode = 0o644
            with open(path, "rb") as file:
                info.size = os.fstat(file.fileno()).st_size
                tar.addfile(info, file)


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    start = raw.read(2)
    raw.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if start == b"\x1f\x8b" else raw


def _extract_members(tar: tarfile.TarFile, archive: str, folder: str) -> None:
    seen: set[str] = set()
    for count, member in enumerate(tar):
        if count >= MAX_MEMBERS:
            raise ArchiveError(f"{archive}: refused, it has more than {MAX_MEMBERS} members")
        path = _checked_path(member, archive)
        if path == "." and member.isdir():
            continue
        target = os.path.join(folder, path)
        try:
            if member.isdir():
                os.makedirs(target, exist_ok=True)
                continue
            if path in seen:
                raise ArchiveError(f"{archive}: refused, {path!r} is in it twice")
            seen.add(path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            source = tar.extractfile(member)
            assert source is not None  # it is a regular file
            with source, open(target, "xb") as file:
                shutil.copyfileobj(source, file, CHUNK_BYTES)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise ArchiveError(f"{archive}: refused, {path!r} is both a file and a folder in it") from error
        except FileNotFoundError as error:
            raise ArchiveError(f"{archive}: refused, {path!r} cannot be a file's name here") from error
        if os.path.getsize(target) != member.size:
            raise ArchiveError(f"{archive}: cut off within {path!r}; copy or make it again")


def _checked_path(member: tarfile.TarInfo, archive: str) -> str:
    """The member's path in normal form, once it is known to be a plain file or folder inside the archive."""
    name = member.name
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise ArchiveError(
            f"{archive}: refused, {name!r} is a link, a device or another special file; "
            "a model archive holds plain files and folders only"
        )
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in path.parts[:1]:
        raise ArchiveError(f"{archive}: refused, the path {name!r} leads out of the folder it is unpacked to")
    if (
        any(len(os.fsencode(part)) > 255 for part in path.parts)
        or len(os.fsencode(name)) > MAX_PATH_BYTES
        or len(path.parts) > MAX_FOLDERS
    ):
        raise ArchiveError(f"{archive}: refused, a member's name has {len(name)} characters")
    if path == PurePosixPath(".") and not member.isdir():
        raise ArchiveError(f"{archive}: refused, a file in it has no name")
    return str(path)


class _CountingReader:
    """A seekable reader that stops at a number of bytes, whatever the headers say.

    Args:
        inner: what is read from.
        limit: most bytes that may be read from it.
        archive: name of the archive, for messages.
    """

    def __init__(self, inner: IO[bytes], limit: int, archive: str) -> None:
        self._inner = inner
        self._limit = limit
        self._archive = archive

    def read(self, size: int = -1) -> bytes:
        if size > MAX_SINGLE_READ or size < 0:
            raise ArchiveError(f"{self._archive}: refused, a member's header claims {size} bytes")
        data = self._inner.read(size)
        if self._inner.tell() > self._limit:
            self._refuse()
        return data

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        if position > self._limit:
            self._refuse()
        return self._inner.seek(position, whence)

    def tell(self) -> int:
        return self._inner.tell()

    def _refuse(self) -> None:
        raise ArchiveError(
            f"{self._archive}: refused, it unpacks to more than {self._limit:,} bytes, which is out of "
            "proportion to its own size; a file like this is made to fill a disk"
        )
