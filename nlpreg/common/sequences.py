"""Read-only views of sequences: another order, a slice, or several one after the other, without copying items."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar, overload

T = TypeVar("T")


class ShuffledSequence(Sequence[T]):
    """A sequence seen in another order; the items stay where they are.

    Args:
        inner_sequence: the sequence to look at.
        indices: position in `inner_sequence` of each item of the view; a random order of all items unless given.
    """

    def __init__(self, inner_sequence: Sequence[T], indices: Sequence[int] | None = None) -> None:
        self.inner = inner_sequence
        if indices is None:
            order = list(range(len(inner_sequence)))
            random.shuffle(order)
            indices = order
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, i: int) -> T: ...
    @overload
    def __getitem__(self, i: slice) -> ShuffledSequence[T]: ...
    def __getitem__(self, i: int | slice) -> T | ShuffledSequence[T]:
        if isinstance(i, slice):
            return ShuffledSequence(self.inner, self.indices[i])
        return self.inner[self.indices[i]]

    def __contains__(self, item: object) -> bool:
        return any(self.inner[i] == item for i in self.indices)


class SlicedSequence(ShuffledSequence[T]):
    """The part of a sequence that a slice names.

    Args:
        inner_sequence: the sequence to look at.
        s: which part of it.
    """

    def __init__(self, inner_sequence: Sequence[T], s: slice) -> None:
        super().__init__(inner_sequence, range(len(inner_sequence))[s])


class ConcatenatedSequence(Sequence[T]):
    """Several sequences seen as one.

    Args:
        sequences: the parts, at least one.

    Raises:
        ValueError: no part given.
    """

    def __init__(self, *sequences: Sequence[T]) -> None:
        if not sequences:
            raise ValueError("ConcatenatedSequence: expected at least one sequence, got none")
        self.sequences = sequences
        self._ends = list(accumulate(len(part) for part in sequences))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, i: int) -> T: ...
    @overload
    def __getitem__(self, i: slice) -> SlicedSequence[T]: ...
    def __getitem__(self, i: int | slice) -> T | SlicedSequence[T]:
        if isinstance(i, slice):
            return SlicedSequence(self, i)
        position = i + len(self) if i < 0 else i
        if not 0 <= position < len(self):
            raise IndexError(f"index {i} is outside a sequence of {len(self)} items")
        part = bisect_right(self._ends, position)
        start = self._ends[part - 1] if part else 0
        return self.sequences[part][position - start]

    def __contains__(self, item: object) -> bool:
        return any(item in part for part in self.sequences)
