"""Numbers in a file, read through a memory map of which only a little stays in memory."""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAGES_AROUND = 1 << 16
"""Bytes that the system may map around what is read."""

BYTES_TO_KEEP = 1 << 25
"""Bytes that may stay in memory before they are given back."""


class IdFile:
    """A long row of whole numbers on disk.

    What is read comes as a copy. The pages behind it are given back to the system now and then, so that reading through a
    file of any size takes a bounded amount of memory; the system's own cache keeps the file at hand all the same.

    Args:
        path: the file, which holds the numbers and nothing else.
        dtype: type of the numbers.

    Raises:
        ValueError: the file is empty, or ends in the middle of a number.
    """

    def __init__(self, path: str | os.PathLike[str], dtype: str) -> None:
        size, bytes_each = os.path.getsize(path), np.dtype(dtype).itemsize
        if size == 0 or size % bytes_each:
            raise ValueError(f"{path}: expected numbers of {bytes_each} bytes each, got {size} bytes")
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._numbers: NDArray[Any] = np.frombuffer(self._map, dtype)
        self._bytes_read = 0

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """A copy of the numbers from `start` up to `stop`, as far as there are any."""
        numbers: NDArray[Any] = self._numbers[start:stop].copy()
        self._bytes_read += numbers.nbytes + PAGES_AROUND
        if self._bytes_read > BYTES_TO_KEEP:
            self._give_back()
        return numbers

    def _give_back(self) -> None:
        self._bytes_read = 0
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows, where the system decides alone
            self._map.madvise(mmap.MADV_DONTNEED)
