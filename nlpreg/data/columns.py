"""Many short sequences stored in a few arrays, and padded by a few array operations."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

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
        # a new word gets the number of words before it
        number_of: defaultdict[str, int] = defaultdict()
        number_of.default_factory = number_of.__len__
        numbers = map(number_of.__getitem__, itertools.chain.from_iterable(texts))
        self.numbers = np.fromiter(numbers, np.int32, int(self.lengths.sum()))
        self.words = list(number_of)


class CharacterColumn:
    """The characters of many words, each distinct character kept once; the same as `WordColumn`, but faster.

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
        # one code point of four bytes for each character, so that array operations see characters
        codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), "<u4")
        first_place = np.full(int(codes.max(initial=0)) + 1, -1)
        # where a code occurs several times, the last value assigned stays
        first_place[codes[::-1]] = np.arange(len(codes))[::-1]  # (largest code + 1,)
        # sorting by the position of first appearance puts the characters in order
        distinct = codes[np.sort(first_place[first_place >= 0])]
        number_of = np.zeros(len(first_place), np.int32)
        number_of[distinct] = np.arange(len(distinct))
        self.numbers = number_of[codes]
        self.words = list(map(chr, distinct.tolist()))


def lengths_of(rows: Sequence[Any]) -> NDArray[np.int64]:
    """The length of each row."""
    return np.fromiter(map(len, rows), np.int64, len(rows))


def smallest(ids: IntArray) -> IntArray:
    """Convert non-negative ids to the smallest unsigned type that holds them."""
    return ids.astype(np.min_scalar_type(int(ids.max(initial=0))))


def split_rows(values: IntArray, lengths: IntArray) -> list[IntArray]:
    """Split one row of values into rows of the given lengths, without copying."""
    bounds = [0, *np.cumsum(lengths).tolist()]
    return [values[start:end] for start, end in itertools.pairwise(bounds)]


def with_ends(
    values: NDArray[Number], lengths: NDArray[np.int64], start: Iterable[int], end: Iterable[int]
) -> tuple[NDArray[Number], NDArray[np.int64]]:
    """Add the same values before and after each row; rows are given as one row of values, and lengths."""
    before, after = list(start), list(end)
    if not before and not after:
        return values, lengths
    ends = np.cumsum(lengths)
    # row by row, so that the order is right where a row is empty, or one ends and the next begins
    bounds = np.stack([ends - lengths, ends], axis=1).ravel()
    positions = np.repeat(bounds, np.tile([len(before), len(after)], len(lengths)))
    added = np.tile(np.array(before + after, values.dtype), len(lengths))
    return np.insert(values, positions, added), lengths + (len(before) + len(after))


def padding_mask(lengths: IntArray, width: int) -> NDArray[np.bool_]:
    """True where a padded row holds an element: `(len(lengths), width)`."""
    return np.arange(width) < lengths[:, None]


def pad_rows(rows: Sequence[Sequence[Any] | NDArray[Any]], width: int, fill: int = 0) -> NDArray[Any]:
    """Rows of ids, or of booleans, in one array, padded on the right with `fill` or False, or truncated.

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
        # a mask takes values in the order of rows, which is that of the concatenation
        padded[padding_mask(lengths, width)] = np.concatenate(filled)
    return padded


# Limits of the padded table: number of ids of a row, and of all rows together.
_LONGEST_HEAD = 128
_MOST_IDS_OF_HEADS = 1 << 26


class RowTable:
    """Rows of ids of different lengths, referred to by number, such as the characters of distinct words.

    Args:
        values: the ids of all rows, one row after the other.
        lengths: number of ids of each row.
    """

    __slots__ = ("_heads", "lengths", "starts", "values")

    def __init__(self, values: IntArray, lengths: IntArray) -> None:
        self.lengths = lengths
        self.starts = np.cumsum(lengths) - lengths
        # zeros after the last row, so that a window as wide as the longest row fits anywhere
        self.values = np.concatenate([smallest(values), np.zeros(lengths.max(initial=0), np.uint8)])
        self._heads: IntArray | None = None

    def row(self, number: int) -> list[int]:
        """The ids of one row."""
        start = int(self.starts[number])
        ids: list[int] = self.values[start : start + int(self.lengths[number])].tolist()
        return ids

    def padded(self, numbers: IntArray, lengths: IntArray, length: int, width: int) -> NDArray[np.int64]:
        """Sequences of rows, padded with 0 on both axes.

        Args:
            numbers: the numbers of the rows of all sequences, in one row.
            lengths: number of rows of each sequence, none above `length`.
            length: number of rows to pad to.
            width: number of ids to pad or truncate each row to.

        Returns:
            `(len(lengths), length, width)`.
        """
        mask = padding_mask(lengths, length)
        if width <= self.heads.shape[1]:
            # padding refers to the number after the last row, which is that of an empty row
            padded_numbers = np.full(mask.shape, len(self.lengths))
            padded_numbers[mask] = numbers
            return self.heads[padded_numbers, :width].astype(np.int64)
        padded = np.zeros((*mask.shape, width), np.int64)
        padded[mask] = self.windows(numbers, width)
        return padded

    @property
    def heads(self) -> IntArray:
        """The first ids of each row and, for padding, of an empty row after the last: `(rows + 1, some ids)`."""
        if self._heads is None:
            num_rows = len(self.lengths)
            width = min(int(self.lengths.max(initial=0)), _MOST_IDS_OF_HEADS // (num_rows + 1), _LONGEST_HEAD)
            # the position of each id within its own row, compared with the width
            is_head = np.arange(self.lengths.sum()) - np.repeat(self.starts, self.lengths) < width
            self._heads = np.zeros((num_rows + 1, width), self.values.dtype)
            self._heads[:-1][padding_mask(self.lengths, width)] = self.values[: len(is_head)][is_head]
        return self._heads

    def windows(self, numbers: IntArray, width: int) -> NDArray[np.int64]:
        """The first `width` ids of these rows, 0 after the end of a row: `(len(numbers), width)`."""
        offsets = np.arange(width)
        reachable = min(width, len(self.values))
        at = self.starts[numbers][:, None] + offsets[:reachable]  # (numbers, width)
        # only a window wider than every row can reach past the end
        np.minimum(at, len(self.values) - 1, out=at)
        windows = np.zeros((len(numbers), width), np.int64)
        np.multiply(
            self.values[at],
            offsets[:reachable] < self.lengths[numbers][:, None],
            out=windows[:, :reachable],
        )
        return windows


class TableRows(Sequence["list[int]"]):
    """A list of lists of ids, kept as numbers of rows of a shared table; read-only.

    Copies, and what is sent to another process, are plain lists of lists without the table.

    Args:
        table: the shared rows.
        numbers: which row each element is.
    """

    __slots__ = ("numbers", "table")

    def __init__(self, table: RowTable, numbers: IntArray) -> None:
        self.table = table
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> list[int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[int]]: ...
    def __getitem__(self, index: int | slice) -> list[int] | list[list[int]]:
        if isinstance(index, slice):
            return [self.table.row(number) for number in self.numbers[index]]
        return self.table.row(self.numbers[index])

    def __iter__(self) -> Iterator[list[int]]:
        return map(self.table.row, self.numbers)

    def tolist(self) -> list[list[int]]:
        """A plain list of lists."""
        return list(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (TableRows, list)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have no hash

    def __repr__(self) -> str:
        return repr(list(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self.tolist(),)


def lengths_of_elements(sequences: Sequence[Sequence[Sequence[int]]]) -> IntArray:
    """The lengths of the elements of all sequences, in one row."""
    table = _shared_table(sequences)
    if table is not None:
        return table.lengths[_all_numbers(sequences)]
    return lengths_of(list(itertools.chain.from_iterable(sequences)))


def pad_elements(sequences: Sequence[Sequence[Sequence[int]]], length: int, width: int) -> NDArray[np.int64]:
    """Sequences of rows of ids, padded with 0 or truncated to `length` rows of `width` ids.

    Args:
        sequences: each a `TableRows` or a list of lists; fastest if all refer to one table.
        length: number of rows of each.
        width: number of ids of each row.

    Returns:
        `(len(sequences), length, width)`.
    """
    lengths = lengths_of(sequences)
    if lengths.max(initial=0) > length:
        sequences = [sequence[:length] for sequence in sequences]
        lengths = np.minimum(lengths, length)
    table = _shared_table(sequences)
    if table is not None:
        return table.padded(_all_numbers(sequences), lengths, length, width)
    rows = list(itertools.chain.from_iterable(sequences))
    table = RowTable(np.fromiter(itertools.chain.from_iterable(rows), np.int64), lengths_of(rows))
    return table.padded(np.arange(len(rows)), lengths, length, width)


def _shared_table(sequences: Sequence[Sequence[Any]]) -> RowTable | None:
    """The table that all sequences refer to; None if there is no such table."""
    filled = [rows for rows in sequences if type(rows) is TableRows or len(rows)]
    if not filled or set(map(type, filled)) != {TableRows}:
        return None
    table: RowTable = filled[0].table  # type: ignore[attr-defined]  # see above
    return table if all(rows.table is table for rows in filled) else None  # type: ignore[attr-defined]  # see above


def _all_numbers(sequences: Sequence[Sequence[Any]]) -> IntArray:
    """The row numbers of all sequences of one table, in one row."""
    return np.concatenate([rows.numbers for rows in sequences if type(rows) is TableRows])


_known: dict[tuple[type, str, tuple[str, ...]], bool] = {}


def can_use_batched(cls: type, whole: str, *single: str) -> bool:
    """Whether the whole-list method of `cls` may be called in place of its single ones.

    Args:
        cls: any class.
        whole: name of the whole-list method.
        single: names of the methods that it does the work of.

    Returns:
        False if `cls` has no such whole-list method, or inherits it from a class above one that overrides a
        single method.
    """
    key = cls, whole, single
    if key not in _known:
        owner = _depth_of_definition(cls, whole)
        _known[key] = owner < len(cls.__mro__) and all(
            owner <= _depth_of_definition(cls, name) for name in single
        )
    return _known[key]


def _depth_of_definition(cls: type, name: str) -> int:
    """How many steps up the method resolution order `name` is defined; the length of that order if nowhere."""
    order = cls.__mro__
    return next((depth for depth, base in enumerate(order) if name in vars(base)), len(order))
