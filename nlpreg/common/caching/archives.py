"""Extraction of zip and tar archives that are not trusted."""

import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LARGEST_HARMLESS_SIZE = 1024**3
"""Archives that unpack to at most this many bytes are never treated as decompression bombs."""

LARGEST_RATIO = 1100
"""deflate compresses at most about 1030 to 1; an archive that claims more is made to fill a disk."""

CHUNK_BYTES = 1024 * 1024


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a zip or tar archive, compressed or not, judged by its content."""
    return os.path.isfile(path) and (zipfile.is_zipfile(path) or _is_tar(path))


def extract_archive(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Unpack a zip or tar archive.

    Only files, folders and links are extracted, all of them inside `folder`, with plain permissions and the current user as
    owner: the rules of tarfile's `data` filter, on every version of Python.

    Args:
        path: the archive.
        folder: an existing folder, preferably empty; after an error it holds what was unpacked so far.

    Raises:
        ValueError: the file is not an archive or is damaged; a member is not a file, folder or link, or lies (or links) outside
            `folder`; the content needs more bytes than the disk has free, or than an archive of this size can plausibly hold.
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
            f"{path}: the archive is damaged or truncated ({error}); download or create it again"
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
                    f"{member.type!r}); the archive is not unpacked"
                )


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Iterate over the members in file order, in one pass: a compressed archive is not unpacked twice."""
    while (member := archive.next()) is not None:
        yield member
    # read to the end of a compressed stream, where its checksum is
    assert archive.fileobj is not None
    while archive.fileobj.read(CHUNK_BYTES):
        pass


def _inside(folder: Path, name: str, archive: str | os.PathLike[str]) -> Path:
    """The path to extract a member to, with links in its parents resolved; a path outside `folder` is an error."""
    place = folder / (name.replace("\\", "/") if os.name == "nt" else name)
    if place == folder:  # the member "./"
        return folder
    # the last component is not resolved: it may be a link that this member replaces
    parent = Path(os.path.realpath(place.parent))
    for real in (parent, Path(os.path.realpath(place))):
        if os.path.commonpath([folder, real]) != str(folder):
            raise ValueError(
                f"{archive}: member {name!r} leads out of the folder; the archive is not unpacked"
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
    """Create the parent folder of a file and remove what has its name, so that nothing is written through a link."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.is_file():
        place.unlink()


def _check_size(path: str | os.PathLike[str], unpacked: int, folder: Path) -> None:
    if unpacked <= LARGEST_HARMLESS_SIZE:
        return
    packed = os.path.getsize(path)
    if unpacked > packed * LARGEST_RATIO:
        raise ValueError(
            f"{path}: {packed} bytes claim to unpack to {unpacked} or more, as in a decompression bomb; it is not unpacked"
        )
    if unpacked > packed + shutil.disk_usage(folder).free:
        raise ValueError(f"{path}: unpacks to {unpacked} bytes or more, and {folder} has no room for them")
