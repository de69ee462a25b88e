"""Atomic writes, hard links, and locks between processes."""

import codecs
import contextlib
import errno
import json
import logging
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import filelock

from nlpreg.common.checks import ConfigurationError

logger = logging.getLogger(__name__)

SECONDS_BEFORE_WARNING = 10.0
_DAMAGES = (EOFError, lzma.LZMAError, zlib.error, tarfile.TarError, zipfile.BadZipFile, OSError)
_IS_FOLDER = 0x10
"""Bit of the attributes of a member of a zip file."""


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike[str],
    mode: str = "wb",
    encoding: str | None = None,
    newline: str | None = None,
    errors: str | None = None,
) -> Iterator[IO[Any]]:
    """Open a temporary file next to `path`; on leaving without an error it is flushed, synced and renamed to `path`.

    After an error, a signal or a crash, the previous file at `path` is unchanged.

    Args:
        path: the final name; its folder must exist.
        mode: "wb" or "w" (then text in UTF-8 unless `encoding` says otherwise).
        encoding: of text.
        newline: as in `open`.
        errors: as in `open`.

    Raises:
        ValueError: `mode` is not for writing a new file.
        OSError: the folder is missing or read-only, or the disk is full; the temporary file is removed.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"atomic_write: expected mode 'w' or 'wb', got {mode!r}")
    if mode == "w":
        encoding = encoding or "utf-8"
    if os.path.exists(path) and not os.path.isfile(path):  # a device or a pipe, such as /dev/stdout
        with _named_errors(path), open(path, mode, encoding=encoding, newline=newline, errors=errors) as file:
            yield file
        return
    path = os.path.realpath(path)  # write to the target, so that a symbolic link is kept
    descriptor, temporary = tempfile.mkstemp(
        dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}.", suffix=".tmp"
    )
    try:
        with (
            _named_errors(path),
            open(descriptor, mode, encoding=encoding, newline=newline, errors=errors) as file,
        ):
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


@contextlib.contextmanager
def _named_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Give errors of a full disk the name of the file: the system reports a name for `open` only, not for writing."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            error.filename = os.fspath(path)
        raise


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file, without its byte-order mark; line ends stay as they are.

    Raises:
        ConfigurationError: it is not UTF-8; the message says in which line.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1  # without the mark
        raise ConfigurationError(
            f"{os.fspath(path)}, line {line}: expected text in UTF-8, got the byte 0x{error.object[error.start]:02x}; "
            + how_to_convert(data)
        ) from error


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value in a JSON file; None if it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None


def delete(path: str) -> None:
    """Delete a file, a link, or a folder with all that is in it."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def how_to_convert(data: bytes) -> str:
    """Advice for a text file that is not UTF-8.

    Args:
        data: the start of the file.
    """
    encoding = "UTF-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "LATIN1"
    return f"convert the file, for example by `iconv -f {encoding} -t UTF-8`"


@contextlib.contextmanager
def clear_compression_errors(name: str) -> Iterator[None]:
    """Turn the errors of gzip, bz2, xz, zstandard, zip and tar about a damaged file into one that names it.

    Args:
        name: of the file, for the message.

    Raises:
        ConfigurationError: the file that is read within the block is damaged.
    """
    try:
        yield
    except Exception as error:
        # errors of the operating system have an errno and a clear message; those of gzip and bz2 have neither
        is_of_the_system = isinstance(error, OSError) and error.errno is not None
        # zstandard is an optional package, whose class cannot be named here
        if is_of_the_system or not (isinstance(error, _DAMAGES) or type(error).__name__ == "ZstdError"):
            raise
        raise ConfigurationError(
            f"{name}: the compressed file is damaged or truncated ({error}); download or create it again"
        ) from error


def damage_in_zip(path: str | os.PathLike[str]) -> str | None:
    """Verify the checksums in a zip file; return a description of the first error, or None.

    `torch.save` writes zip files, but `torch.load` does not verify the checksums, so a flipped bit would go unnoticed.

    Args:
        path: the file; one that is not a zip file, such as weights of torch before 1.6, holds no checksums.
    """
    try:
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
            folders = [info.filename for info in file.infolist() if info.external_attr & _IS_FOLDER]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError) as error:
        return str(error) or type(error).__name__
    if folders:  # torch would read no byte of such a member and use uninitialized memory
        return f"{folders[0]} is marked as a folder"
    return None if damaged is None else f"the checksum of {damaged} differs"


def _umask() -> int:
    """The file mode mask of the process, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: str) -> None:
    """Sync a folder to disk, which makes a rename durable, if the system supports it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some network file systems refuse to sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hardlink_or_copy(source: str | os.PathLike[str], dest: str | os.PathLike[str]) -> None:
    """Make `dest` a hard link to `source`, or a copy where the file system cannot link the two."""
    try:
        os.link(source, dest)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        shutil.copy(source, dest)


class FileLock:
    """A file lock between processes; the operating system releases it when its owner exits.

    The lock is reentrant. It is implemented with the package `filelock`.

    Args:
        lock_file: path of the lock file; created if missing.
        timeout: seconds to wait for another owner; a negative number waits forever.
        read_only_ok: whether to log a warning and run the block without a lock if the lock file is read-only, as on a read-only
            file system.

    Raises:
        TimeoutError: (on entering) another process held the lock until the timeout.
        OSError: (on entering) the lock file cannot be opened.
    """

    def __init__(
        self, lock_file: str | os.PathLike[str], timeout: float = -1, read_only_ok: bool = False
    ) -> None:
        self.lock_file = str(lock_file)
        self.timeout = timeout
        self._read_only_ok = read_only_ok
        self._lock = filelock.FileLock(self.lock_file)

    @property
    def is_locked(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock.is_locked

    def acquire(self, timeout: float | None = None) -> "FileLock":
        """Acquire the lock; a warning is logged after waiting for 10 seconds.

        Args:
            timeout: seconds; overrides the timeout of the constructor.
        """
        limit = self.timeout if timeout is None else timeout
        try:
            if 0 <= limit <= SECONDS_BEFORE_WARNING:
                self._lock.acquire(limit)
                return self
            try:
                self._lock.acquire(SECONDS_BEFORE_WARNING)
            except filelock.Timeout:
                logger.warning("waiting for another process, which holds %s", self.lock_file)
                self._lock.acquire(limit if limit < 0 else limit - SECONDS_BEFORE_WARNING)
        except OSError as error:
            forbidden = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            if not (self._read_only_ok and forbidden and os.path.exists(self.lock_file)):
                raise
            logger.warning("no permission to lock %s; continuing without the lock", self.lock_file)
        return self

    def release(self) -> None:
        """Release the lock, once for each `acquire`."""
        self._lock.release()

    def __enter__(self) -> "FileLock":
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()
