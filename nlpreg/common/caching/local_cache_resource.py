"""A place in the cache for something that is costly to compute."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any

from nlpreg.common.caching.cache import CACHE_DIRECTORY, CacheEntry
from nlpreg.common.caching.file_lock import FileLock
from nlpreg.common.files import atomic_write

__all__ = ["LocalCacheResource"]


class LocalCacheResource:
    """A file in the cache that is written once, under a lock, and read afterwards.

    Args:
        resource_name: what it is.
        version: which version of it; another version is another file.
        cache_dir: folder of the cache.
    """

    def __init__(self, resource_name: str, version: str, cache_dir: str = CACHE_DIRECTORY) -> None:
        self.resource_name = resource_name
        self.version = version
        digests = [hashlib.sha256(text.encode("utf-8")).hexdigest() for text in (resource_name, version)]
        os.makedirs(cache_dir, exist_ok=True)
        self.path = os.path.join(cache_dir, ".".join(digests))
        self._lock = FileLock(self.path + ".lock", read_only_ok=True)

    def cached(self) -> bool:
        """Whether the resource was written."""
        return os.path.exists(self.path)

    @contextmanager
    def writer(self, mode: str = "w") -> Iterator[IO[Any]]:
        """Open the resource for writing; it is there once the block ends without an error.

        Raises:
            ValueError: it was written already.
        """
        if self.cached():
            raise ValueError(
                f"{self.resource_name} {self.version}: already in the cache, so it cannot be written"
            )
        with atomic_write(self.path, mode) as file:
            yield file
        size = os.path.getsize(self.path)
        CacheEntry(self.resource_name, self.path, os.path.getmtime(self.path), size, etag=self.version).save()

    @contextmanager
    def reader(self, mode: str = "r") -> Iterator[IO[Any]]:
        """Open the resource for reading.

        Raises:
            ValueError: it was not written yet.
        """
        if not self.cached():
            raise ValueError(f"{self.resource_name} {self.version}: not in the cache, so it cannot be read")
        with open(self.path, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file

    def __enter__(self) -> LocalCacheResource:
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
