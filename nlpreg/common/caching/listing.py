"""What the cache of files holds: listing and removing entries, and entries made on this machine."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import time
from types import TracebackType
from typing import IO, Any

from nlpreg.common.caching.cache import CACHE_DIRECTORY, CacheEntry
from nlpreg.common.files import FileLock, atomic_write
from nlpreg.common.runtime.memory import format_size
from nlpreg.common.util import format_timedelta


def remove_cache_entries(patterns: list[str], cache_dir: str | os.PathLike[str] | None = None) -> int:
    """Remove downloads and unpacked archives whose URL or path matches one of the patterns (`*` and `?` as in a shell).

    Returns:
        The number of bytes that this freed.
    """
    freed = 0
    for entry in _entries(patterns, cache_dir):
        freed += entry.size
        path = Path(entry.cached_path)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        for suffix in (".json", ".lock", ".partial"):
            Path(entry.cached_path + suffix).unlink(missing_ok=True)
    return freed


def inspect_cache(patterns: list[str] | None = None, cache_dir: str | os.PathLike[str] | None = None) -> None:
    """Print what the cache holds, the newest first, and how much room it takes."""
    entries = _entries(patterns, cache_dir)
    for entry in entries:
        kind = "unpacked" if entry.extraction_dir else "download"
        age = format_timedelta(timedelta(seconds=max(0.0, time() - entry.creation_time)))
        print(f"{format_size(entry.size):>7}  {kind}  {age} old  {entry.resource}")
    total = sum(entry.size for entry in entries)
    print(f"{format_size(total):>7}  in {len(entries)} entries of {cache_dir or CACHE_DIRECTORY}")


def _entries(patterns: list[str] | None, cache_dir: str | os.PathLike[str] | None) -> list[CacheEntry]:
    """What is there and matches, the newest first."""
    found = []
    for path in Path(cache_dir or CACHE_DIRECTORY).glob("*.json"):
        entry = CacheEntry.from_path(path)
        wanted = patterns is None or any(fnmatch.fnmatch(entry.resource, pattern) for pattern in patterns)
        if wanted and os.path.exists(entry.cached_path):
            found.append(entry)
    return sorted(found, key=lambda entry: entry.creation_time, reverse=True)


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
