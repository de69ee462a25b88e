"""Numbering the distinct words of a text, millions of words a second."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nlpreg.common.util import lazy_groups_of
from nlpreg.data.columns import IntArray, lengths_of

HashArray = NDArray[np.uint64]

# Hashed at a time: the arrays for so many words stay in the processor's cache.
_WORDS_AT_ONCE = 1 << 16
_FIRST_SLOTS = 1 << 12

TEXTS_AT_ONCE = 4096

# A word b0 b1 b2 ... hashes to the sum of b_i * FACTOR^i modulo 2^64. The factor is odd, so it has an inverse, by which the
# hash of a word anywhere in a text follows from sums up to its start and its end.
_FACTOR = 0x9E3779B97F4A7C15
_INVERSE = pow(_FACTOR, -1, 1 << 64)
_MIXER = np.uint64(0xD6E8FEB86659FD93)

# What `str.split` splits at: all of ASCII's, and the rest, which are rare.
_IS_BLANK = np.zeros(256, bool)
_IS_BLANK[[9, 10, 11, 12, 13, 28, 29, 30, 31, 32]] = True
_OTHER_BLANKS = "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


class WordNumbers:
    """Numbers the distinct words of texts in the order of their first appearance.

    Words are looked up by a 64-bit hash in arrays, whole texts at a time, since a dictionary of a million words spends most
    of its time waiting for memory. Two words would share a number if their hashes were equal: of a million distinct
    words, the probability is 3e-8.
    """

    def __init__(self) -> None:
        self._words: list[bytes] = []
        # open addressing: a hash stands in the first free slot from `hash % num_slots` on; a free slot has the number -1
        self._hashes: HashArray = np.zeros(_FIRST_SLOTS, np.uint64)
        self._numbers: NDArray[np.int32] = np.full(_FIRST_SLOTS, -1, np.int32)

    def __len__(self) -> int:
        return len(self._words)

    @property
    def words(self) -> list[str]:
        """The distinct words, by number."""
        return [word.decode("utf-8", "surrogatepass") for word in self._words]

    def of_words(self, words: Sequence[str]) -> NDArray[np.int32]:
        """The number of each word; new words get the next numbers."""
        text = "".join(words)
        data = text.encode("utf-8", "surrogatepass")
        if len(data) == len(text):  # ASCII
            lengths = np.fromiter(map(len, words), np.int64, len(words))
        else:
            encoded = [len(word.encode("utf-8", "surrogatepass")) for word in words]
            lengths = np.array(encoded, np.int64)
        ends = np.cumsum(lengths)
        return self._look_up(data, ends - lengths, ends)

    def of_lines(self, text: str, longest: int | None = None) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The numbers of the words of lines, split at white space, and how many words each line has.

        Args:
            text: the lines, each but perhaps the last with a line feed at its end.
            longest: number no words of lines that have more than this.

        Returns:
            The numbers in one row, and the lengths of all lines, those without words or with too many included.
        """
        if not text.isascii() and any(blank in text for blank in _OTHER_BLANKS):
            text = "\n".join(" ".join(line.split()) for line in text.split("\n"))
        data = text.encode("utf-8")
        codes = np.frombuffer(data + b"\n", np.uint8)
        blank = np.concatenate([[True], _IS_BLANK[codes]])
        # words start behind a blank and end before one: the changes alternate
        changes = np.flatnonzero(blank[1:] != blank[:-1])
        starts, ends = changes[::2], changes[1::2]
        line_ends = np.flatnonzero(codes == ord("\n"))
        lengths = np.diff(np.searchsorted(starts, line_ends), prepend=0)
        if longest is not None and lengths.max() > longest:
            wanted = np.repeat(lengths <= longest, lengths)
            starts, ends = starts[wanted], ends[wanted]
        return self._look_up(data, starts, ends), lengths

    def _look_up(self, data: bytes, starts: IntArray, ends: IntArray) -> NDArray[np.int32]:
        """The numbers of the words between these bounds."""
        found = np.empty(len(starts), np.int32)
        for first in range(0, len(starts), _WORDS_AT_ONCE):
            part = slice(first, first + _WORDS_AT_ONCE)
            hashes = _hashes_of(data, starts[part], ends[part])
            numbers = self._find(hashes)
            new = np.flatnonzero(numbers < 0)
            if len(new):
                _, where, which = np.unique(hashes[new], return_index=True, return_inverse=True)
                in_order = np.argsort(where)  # of first appearance
                rank = np.empty_like(in_order)
                rank[in_order] = np.arange(len(in_order))
                numbers[new] = len(self._words) + rank[which]
                at = new[where[in_order]]
                self._insert(hashes[at])
                bounds = zip(starts[part][at].tolist(), ends[part][at].tolist(), strict=True)
                self._words += [data[start:end] for start, end in bounds]
            found[part] = numbers
        return found

    def _find(self, hashes: HashArray) -> NDArray[np.int32]:
        """The numbers of words with these hashes, -1 for those not known."""
        last = len(self._numbers) - 1
        slots = (hashes & np.uint64(last)).astype(np.int64)
        there = self._numbers[slots]
        found: NDArray[np.int32] = np.where(self._hashes[slots] == hashes, there, np.int32(-1))
        # where another hash stands in the slot, look at the next one, until it is the same or free
        rest = np.flatnonzero((found < 0) & (there >= 0))
        while len(rest):
            slots[rest] = (slots[rest] + 1) & last
            there = self._numbers[slots[rest]]
            same = self._hashes[slots[rest]] == hashes[rest]
            found[rest[same]] = there[same]
            rest = rest[~same & (there >= 0)]
        return found

    def _insert(self, hashes: HashArray) -> None:
        """Give the next numbers to new hashes, all different."""
        size = len(self._words) + len(hashes)
        if 2 * size > len(self._numbers):
            used = self._numbers >= 0
            kept, numbers = self._hashes[used], self._numbers[used]
            num_slots = len(self._numbers)
            while num_slots < 4 * size:
                num_slots *= 2
            self._hashes, self._numbers = np.zeros(num_slots, np.uint64), np.full(num_slots, -1, np.int32)
            self._put(kept, numbers)
        self._put(hashes, np.arange(len(self._words), size, dtype=np.int32))

    def _put(self, hashes: HashArray, numbers: NDArray[np.int32]) -> None:
        last = len(self._numbers) - 1
        slots = (hashes & np.uint64(last)).astype(np.int64)
        rest = np.arange(len(hashes))
        while len(rest):
            wanted = slots[rest]
            free = self._numbers[wanted] < 0
            self._numbers[wanted[free]] = numbers[rest[free]]
            # several may have wanted one slot: the last one written has it
            has_it = self._numbers[wanted] == numbers[rest]
            self._hashes[wanted[has_it]] = hashes[rest[has_it]]
            rest = rest[~has_it]
            slots[rest] = (slots[rest] + 1) & last


def numbered(
    texts: Iterable[Sequence[str]], numbers: WordNumbers
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """Some thousand texts at a time: the numbers of their words in one row, and the length of each text."""
    for group in lazy_groups_of(texts, TEXTS_AT_ONCE):
        yield numbers.of_words(list(itertools.chain.from_iterable(group))), lengths_of(group)


def _hashes_of(data: bytes, starts: IntArray, ends: IntArray) -> HashArray:
    """The hashes of the words between these bounds, which do not overlap and are in order."""
    if not len(starts):
        return np.zeros(0, np.uint64)
    first, stop = int(starts[0]), int(ends[-1])
    codes = np.frombuffer(data, np.uint8, stop - first, first)
    num_bits = max(20, len(codes).bit_length())
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(_powers(_FACTOR, num_bits)[: len(codes)] * codes, out=sums[1:])
    hashes: HashArray = sums[ends - first] - sums[starts - first]
    hashes *= _powers(_INVERSE, num_bits)[starts - first]
    # the low bits, which choose the slot, shall depend on all bits; and zeros at the end of a word on its length
    hashes ^= (ends - starts).astype(np.uint64)
    hashes ^= hashes >> np.uint64(32)
    hashes *= _MIXER
    hashes ^= hashes >> np.uint64(32)
    return hashes


@functools.cache
def _powers(factor: int, num_bits: int) -> HashArray:
    """The powers of a factor with exponents below `2 ** num_bits`."""
    factors = np.full(1 << num_bits, factor, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)
