"""Many short sequences held as few arrays, and padded by few operations on arrays."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]
Number = TypeVar("Number", bound=np.integer[Any])


class WordColumn:
    """The words of many texts, each distinct word kept once.

    Args:
        texts: the words of each text.

    Attributes:
        words: the distinct words, in the order of their first appearance.
        numbers: for each word of the texts, all in one row, its index in `words`.
        lengths: number of words of each text.
    """

    __slots__ = ("lengths", "numbers", "words")

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self.lengths = lengths_of(texts)
        # a word that is not there yet gets the number of those that are
        number_of: defaultdict[str, int] = defaultdict()
        number_of.default_factory = number_of.__len__
        numbers = map(number_of.__getitem__, itertools.chain.from_iterable(texts))
        self.numbers = np.fromiter(numbers, np.int32, int(self.lengths.sum()))
        self.words = list(number_of)


class CharacterColumn:
    """The characters of many words, each distinct character kept once; the same as `WordColumn`, but quicker.

    Args:
        words: the words.

    Attributes:
        words: the distinct characters, in the order of their first appearance.
        numbers: for each character of the words, all in one row, its index in `words`.
        lengths: number of characters of each word.
    """

    __slots__ = ("lengths", "numbers", "words")

    def __init__(self, words: Sequence[str]) -> None:
        self.lengths = lengths_of(words)
        codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), "<u4")
        first_place = np.full(int(codes.max(initial=0)) + 1, -1)
        # of several values for one code the last one stays
        first_place[codes[::-1]] = np.arange(len(codes))[::-1]
        distinct = codes[np.sort(first_place[first_place >= 0])]
        number_of = np.zeros(len(first_place), np.int32)
        number_of[distinct] = np.arange(len(distinct))
        self.numbers = number_of[codes]
        self.words = list(map(chr, distinct.tolist()))


def lengths_of(rows: Sequence[Any]) -> NDArray[np.int64]:
    """The length of each row."""
    return np.fromiter(map(len, rows), np.int64, len(rows))


def smallest(ids: IntArray) -> IntArray:
    """The same ids, none of them negative, in the smallest unsigned type that holds them."""
    return ids.astype(np.min_scalar_type(int(ids.max(initial=0))))


def split_rows(values: IntArray, lengths: IntArray) -> list[IntArray]:
    """One row of values cut into rows of the given lengths, without copying."""
    bounds = [0, *np.cumsum(lengths).tolist()]
    return [values[start:end] for start, end in itertools.pairwise(bounds)]


def with_ends(
    values: NDArray[Number], lengths: NDArray[np.int64], start: Iterable[int], end: Iterable[int]
) -> tuple[NDArray[Number], NDArray[np.int64]]:
    """Rows, given as one row of values and lengths, each with the same values put before and after it."""
    before, after = list(start), list(end)
    if not before and not after:
        return values, lengths
    new_lengths = lengths + (len(before) + len(after))
    row_ends = np.cumsum(new_lengths)
    row_starts = row_ends - new_lengths
    wider = np.empty(new_lengths.sum(), values.dtype)
    is_old = np.ones(len(wider), bool)
    at_ends = [row_starts + i for i in range(len(before))] + [
        row_ends - len(after) + i for i in range(len(after))
    ]
    for positions, value in zip(at_ends, before + after, strict=True):
        wider[positions] = value
        is_old[positions] = False
    wider[is_old] = values
    return wider, new_lengths


def padding_mask(lengths: IntArray, width: int) -> NDArray[np.bool_]:
    """Which positions of padded rows hold something: `(len(lengths), width)`."""
    return np.arange(width) < lengths[:, None]


def pad_rows(rows: Sequence[Sequence[Any] | NDArray[Any]], width: int, fill: int = 0) -> NDArray[Any]:
    """Rows of ids, or of booleans, in one array, padded on the right with `fill` or False, or cut.

    Returns:
        `(len(rows), width)`, int64 or bool.
    """
    lengths = lengths_of(rows)
    if lengths.max(initial=0) > width:
        rows = [row[:width] for row in rows]
        lengths = np.minimum(lengths, width)
    filled = [row for row in rows if len(row)]
    is_bool = bool(filled) and isinstance(filled[0][0], (bool, np.bool_))
    padded = np.full((len(rows), width), fill, np.bool_ if is_bool else np.int64)
    if filled:
        padded[padding_mask(lengths, width)] = np.concatenate(filled)
    return padded
