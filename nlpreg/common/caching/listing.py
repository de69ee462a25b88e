"""Looking at what the cache holds, and clearing it."""

from __future__ import annotations

import fnmatch
import os
import shutil
from datetime import timedelta
from pathlib import Path
from time import time

from nlpreg.common.caching.cache import CACHE_DIRECTORY, CacheEntry
from nlpreg.common.memory import format_size
from nlpreg.common.reports import format_timedelta

__all__ = ["inspect_cache", "remove_cache_entries"]


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
