"""Places in files from which reading can go on."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

__all__ = ["Bookmark", "Bookmarks"]


class Bookmark(NamedTuple):
    """A place between two units (lines, sentences) of the files of a data set.

    Args:
        unit: number of units before it, those of earlier files counted.
        file: number of the file.
        offset: number of bytes of the file before it, unpacked.
        line: number of the line behind it, from 1.
    """

    unit: int = 0
    file: int = 0
    offset: int = 0
    line: int = 1


class Bookmarks:
    """The bookmarks that were left while reading, in their order.

    Args:
        bookmarks: those of an earlier reading.
    """

    def __init__(self, bookmarks: Iterable[Sequence[int]] = ()) -> None:
        self._bookmarks = [Bookmark(*one) for one in bookmarks]

    def add(self, bookmark: Bookmark) -> None:
        """Leave a bookmark, unless there is one there or behind."""
        if not self._bookmarks or bookmark.unit > self._bookmarks[-1].unit:
            self._bookmarks.append(bookmark)

    def from_unit(self, unit: int) -> list[Bookmark]:
        """The last bookmark before a unit, and those behind it; none if the unit comes before all of them."""
        first = bisect.bisect_right(self._bookmarks, unit, key=itemgetter(0))
        return self._bookmarks[max(0, first - 1) :] if first else []
