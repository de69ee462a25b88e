"""Unpacking of zip and tar archives that need not be trusted."""

import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LARGEST_HARMLESS_SIZE = 1024**3
"""Archives that unpack to no more bytes than this are never taken for bombs."""

LARGEST_RATIO = 1100
"""deflate cannot shrink anything more than about 1030 times; whatever claims to is made to fill a disk."""

CHUNK_BYTES = 1024 * 1024


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a zip or tar archive, compressed or not, by its content."""
    return os.path.isfile(path) and (zipfile.is_zipfile(path) or _is_tar(path))


def extract_archive(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Unpack a zip or tar archive.

    Only files, folders and links come out, all of them inside `folder`, with plain permissions and the present user
    as owner: the rules of tarfile's `data` filter, on every version of Python.

    Args:
        path: the archive.
        folder: an existing folder, best an empty one; on an error it holds what was unpacked so far.

    Raises:
        ValueError: not an archive; a damaged one; a member that is no file, folder or link, or that would land (or
            link) outside `folder`; more bytes than the disk has room for, or than an honest archive can hold.
    """
    target = Path(folder).resolve()
    try:
        if zipfile.is_zipfile(path):
            _extract_zip(path, target)
        elif _is_tar(path):
            _extract_tar(path, target)
        else:
            raise ValueError(f"{path}: expected a zip or tar archive, got another kind of file")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # a full disk or a missing permission, not the archive's fault
        raise ValueError(
            f"{path}: the archive is damaged or cut off ({error}); fetch or make it again"
        ) from error


def _is_tar(path: str | os.PathLike[str]) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except (EOFError, OSError):  # the start of a compressed stream, cut off
        return False


def _extract_zip(path: str | os.PathLike[str], folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check_size(path, sum(member.file_size for member in members), folder)
        for member in members:
            place = _inside(folder, member.filename, path)
            if member.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                with archive.open(member) as content:
                    _write(content, place, executable=bool(member.external_attr >> 16 & 0o100))


def _extract_tar(path: str | os.PathLike[str], folder: Path) -> None:
    total = 0
    with tarfile.open(path) as archive:
        for member in _members(archive):
            total += member.size
            _check_size(path, total, folder)
            place = _inside(folder, member.name, path)
            if member.isdir():
                place.mkdir(parents=True, exist_ok=True)
            elif member.isfile():
                content = archive.extractfile(member)
                assert content is not None
                _write(content, place, executable=bool(member.mode & 0o100))
            elif member.issym():
                _inside(folder, os.path.join(os.path.dirname(member.name), member.linkname), path)
                _make_room(place)
                place.symlink_to(member.linkname)
            elif member.islnk():
                _write_link(_inside(folder, member.linkname, path), place)
            else:
                raise ValueError(
                    f"{path}: member {member.name!r} is neither a file, a folder nor a link (tar type "
                    f"{member.type!r}); such an archive is not unpacked"
                )


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members in the order of the file, read once: a compressed archive need not be unpacked twice."""
    while (member := archive.next()) is not None:
        yield member
    # to the very end of a compressed stream, where its checksum stands
    assert archive.fileobj is not None
    while archive.fileobj.read(CHUNK_BYTES):
        pass


def _inside(folder: Path, name: str, archive: str | os.PathLike[str]) -> Path:
    """Where a member belongs, links on the way followed; outside `folder` is an error."""
    place = folder / (name.replace("\\", "/") if os.name == "nt" else name)
    if place == folder:  # the member "./"
        return folder
    # the member's own name is not followed in the answer: it may be a link that this member replaces
    parent = Path(os.path.realpath(place.parent))
    for real in (parent, Path(os.path.realpath(place))):
        if os.path.commonpath([folder, real]) != str(folder):
            raise ValueError(
                f"{archive}: member {name!r} leads out of the folder; such an archive is not unpacked"
            )
    return parent / place.name


def _write(content: IO[bytes], place: Path, executable: bool) -> None:
    _make_room(place)
    with open(place, "wb") as file:
        shutil.copyfileobj(content, file, CHUNK_BYTES)
    if executable:
        place.chmod(place.stat().st_mode | 0o111)


def _write_link(source: Path, place: Path) -> None:
    _make_room(place)
    try:
        os.link(source, place)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        shutil.copy(source, place)


def _make_room(place: Path) -> None:
    """Make the folder of a file, and take away what has its name, so that no link is written through."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.is_file():
        place.unlink()


def _check_size(path: str | os.PathLike[str], unpacked: int, folder: Path) -> None:
    if unpacked <= LARGEST_HARMLESS_SIZE:
        return
    packed = os.path.getsize(path)
    if unpacked > packed * LARGEST_RATIO:
        raise ValueError(
            f"{path}: {packed} bytes claim to unpack to {unpacked} or more, which no honest archive does; it is left alone"
        )
    if unpacked > packed + shutil.disk_usage(folder).free:
        raise ValueError(f"{path}: unpacks to {unpacked} bytes or more, and {folder} has no room for them")
