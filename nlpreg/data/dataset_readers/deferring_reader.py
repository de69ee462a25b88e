"""Readers that find what instances are made of before they make them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, Tuple, runtime_checkable  # noqa: UP035 - an alias

from nlpreg.data.dataset_readers.dataset_utils.bookmarks import Bookmarks
from nlpreg.data.instance import Instance

Unit = Tuple[str, int, Any]  # noqa: UP006
"""What an instance is made of: name of the file, number of the first line, what stands there."""


@runtime_checkable
class DeferringReader(Protocol):
    """A reader whose units can be left out, or put into another order, before anybody looks at them closely."""

    def can_defer(self) -> bool:
        """Whether `instances_of` all `units` are what `read` gives, but for token indexers."""

    def units(self, file_path: Any, first: int = 0, bookmarks: Bookmarks | None = None) -> Iterator[Unit]:
        """This process's share of the units, of which instances can be made later.

        Args:
            file_path: as for `read`.
            first: leave out so many of them, without looking at them closely.
            bookmarks: where reading may start; more are added on the way.
        """

    def number_of_unit(self, number: int) -> int:
        """Which of all units that bookmarks count is that of this number in this process's share."""

    def instances_of(self, units: Iterable[Unit], file_path: Any) -> Iterator[Instance]:
        """The instances of some units, without token indexers; each is made before the next unit is asked for."""
