"""A lock that several processes share through a file."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from types import TracebackType

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FileLock"]

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_TRIES = 0.05
SECONDS_WITHOUT_A_WORD = 10.0


class FileLock:
    """Lets one process (or thread, each with an object of its own) at a time into a block.

    The operating system lets go of the lock when its owner dies, so there are no stale locks; the file itself stays.
    The same object may be entered again while it is held.

    Args:
        lock_file: path of the lock file; made if absent.
        timeout: seconds to wait for another owner; negative waits for ever.
        read_only_ok: whether an existing lock file that may not be written to is only worth a warning: then the block
            runs without a lock, which is right where nobody could write anyway.

    Raises:
        TimeoutError: (on entering) somebody else held the lock all the time.
        OSError: (on entering) the lock file cannot be opened.
    """

    def __init__(
        self, lock_file: str | os.PathLike[str], timeout: float = -1, read_only_ok: bool = False
    ) -> None:
        self.lock_file = str(lock_file)
        self.timeout = timeout
        self._read_only_ok = read_only_ok
        self._descriptor: int | None = None
        self._depth = 0

    @property
    def is_locked(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self, timeout: float | None = None) -> FileLock:
        """Wait for the lock and take it.

        Args:
            timeout: seconds, instead of the one given at construction.
        """
        if self._depth == 0:
            self._descriptor = self._open()
            if self._descriptor is not None:
                self._wait(self._descriptor, self.timeout if timeout is None else timeout)
        self._depth += 1
        return self

    def release(self) -> None:
        """Let go of the lock, once for each `acquire`."""
        if self._depth == 0:
            return
        self._depth -= 1
        if self._depth == 0 and self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            # closing is not enough: a process forked in the meantime still has the file open, and with it the lock
            _unlock(descriptor)
            os.close(descriptor)

    def __enter__(self) -> FileLock:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int | None:
        try:
            return os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            forbidden = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            if self._read_only_ok and forbidden and os.path.exists(self.lock_file):
                logger.warning("no permission to lock %s; going on without the lock", self.lock_file)
                return None
            raise

    def _wait(self, descriptor: int, timeout: float) -> None:
        start = time.monotonic()
        is_announced = False
        try:
            while not _try_lock(descriptor):
                waited = time.monotonic() - start
                if 0 <= timeout <= waited:
                    raise TimeoutError(
                        f"{self.lock_file}: another process has held this lock for {timeout} s"
                    )
                if waited >= SECONDS_WITHOUT_A_WORD and not is_announced:
                    is_announced = True
                    logger.warning("waiting for another process, which holds %s", self.lock_file)
                time.sleep(SECONDS_BETWEEN_TRIES)
        except BaseException:
            self._descriptor = None
            os.close(descriptor)
            raise


def _try_lock(descriptor: int) -> bool:
    """Take the lock of an open file unless somebody else has it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True


def _unlock(descriptor: int) -> None:
    """Let go of the lock of an open file."""
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
