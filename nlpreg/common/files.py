"""Files that appear under their final name only when they are whole."""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from typing import IO, Any

__all__ = ["atomic_write", "damage_in_zip"]


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike[str], mode: str = "wb", encoding: str | None = None, newline: str | None = None
) -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; on leaving without an error it is flushed, synced and renamed to `path`.

    After an error, a signal or a crash, whatever stood at `path` before still stands there.

    Args:
        path: the final name; its folder must exist.
        mode: "wb" or "w" (then text in UTF-8 unless `encoding` says otherwise).
        encoding: of text.
        newline: as in `open`.

    Raises:
        ValueError: `mode` is not for writing a new file.
        OSError: the folder is missing or read-only, or the disk is full; the temporary file is removed.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"atomic_write: expected mode 'w' or 'wb', got {mode!r}")
    if mode == "w":
        encoding = encoding or "utf-8"
    if os.path.exists(path) and not os.path.isfile(path):  # a device or a pipe, such as /dev/stdout
        with open(path, mode, encoding=encoding, newline=newline) as file:
            yield file
        return
    path = os.path.realpath(path)  # a link goes on pointing to the file
    descriptor, temporary = tempfile.mkstemp(
        dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}.", suffix=".tmp"
    )
    try:
        with open(descriptor, mode, encoding=encoding, newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(path))


def damage_in_zip(path: str | os.PathLike[str]) -> str | None:
    """What is wrong with the contents of a zip file, by the checksum that it holds for each; None if nothing is.

    `torch.save` writes zip files, but `torch.load` ignores these checksums, so that a flipped bit goes unnoticed.

    Args:
        path: the file; one that is no zip file, such as weights of torch before 1.6, holds no checksums.
    """
    try:
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError) as error:
        return str(error) or type(error).__name__
    return None if damaged is None else f"the checksum of {damaged} differs"


def _umask() -> int:
    """The process's file mode mask; there is no way to read it without setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: str) -> None:
    """Make the rename itself durable, where the system can sync folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some network file systems refuse to sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
