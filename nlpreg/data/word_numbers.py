"""Numbering of the distinct words of a text, at millions of words per second."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nlpreg.common.util import lazy_groups_of
from nlpreg.data.columns import IntArray, lengths_of

_HashArray = NDArray[np.uint64]

# Number of words hashed at a time, so that the arrays stay in the processor's cache.
_WORDS_AT_ONCE = 1 << 16
_FIRST_SLOTS = 1 << 12

TEXTS_AT_ONCE = 4096

# A word is hashed eight bytes at a time; bytes after its end count as zeros.
_FIRST_BYTES = np.array([(1 << 8 * number) - 1 for number in range(9)], np.uint64)
_MIXER = np.uint64(0xD6E8FEB86659FD93)
_LENGTH_MIXER = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
# Longer words, which are rare, are hashed one by one.
_LONGEST_IN_ARRAYS = 128

# The white space of `str.split`: that of ASCII, and the rest, which is rare.
_BLANKS = frozenset([9, 10, 11, 12, 13, 28, 29, 30, 31, 32])
_IS_BLANK = bytes(code in _BLANKS for code in range(256))
_OTHER_BLANKS = "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


class WordNumbers:
    """Numbers the distinct words of texts in the order of their first appearance.

    Words are looked up by a 64-bit hash in arrays, many at a time, because look-ups in a dictionary of a million words mostly
    wait for memory. Two words with equal hashes would share a number: for a million distinct words, the probability is 3e-8.
    """

    def __init__(self) -> None:
        self._words: list[bytes] = []
        # open addressing: a hash is in the first free slot from `hash % num_slots` on; a free slot has the number -1
        self._hashes: _HashArray = np.zeros(_FIRST_SLOTS, np.uint64)
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
        return self._look_up(_HashedWords(data, ends - lengths, ends))

    def of_lines(self, lines: "HashedLines") -> NDArray[np.int32]:
        """The numbers of the words of lines, concatenated; new words get the next numbers."""
        return self._look_up(lines.words)

    def _look_up(self, words: "_HashedWords") -> NDArray[np.int32]:
        found = np.empty(len(words.starts), np.int32)
        for first in range(0, len(found), _WORDS_AT_ONCE):
            part = slice(first, first + _WORDS_AT_ONCE)
            hashes = words.hashes[part]
            numbers = self._find(hashes)
            new = np.flatnonzero(numbers < 0)
            if len(new):
                _, where, which = np.unique(hashes[new], return_index=True, return_inverse=True)
                in_order = np.argsort(where)  # in order of first appearance
                rank = np.empty_like(in_order)
                rank[in_order] = np.arange(len(in_order))
                numbers[new] = len(self._words) + rank[which]
                at = new[where[in_order]]
                self._insert(hashes[at])
                bounds = zip(words.starts[part][at].tolist(), words.ends[part][at].tolist(), strict=True)
                self._words += [words.data[start:end] for start, end in bounds]
            found[part] = numbers
        return found

    def _find(self, hashes: _HashArray) -> NDArray[np.int32]:
        """The numbers of words with these hashes, -1 for unknown ones."""
        last = len(self._numbers) - 1
        slots = (hashes & np.uint64(last)).astype(np.int64)
        there = self._numbers[slots]
        found: NDArray[np.int32] = np.where(self._hashes[slots] == hashes, there, np.int32(-1))
        # if a slot holds another hash, try the next one, until it is the same or free
        rest = np.flatnonzero((found < 0) & (there >= 0))
        while len(rest):
            slots[rest] = (slots[rest] + 1) & last
            there = self._numbers[slots[rest]]
            same = self._hashes[slots[rest]] == hashes[rest]
            found[rest[same]] = there[same]
            rest = rest[~same & (there >= 0)]
        return found

    def _insert(self, hashes: _HashArray) -> None:
        """Assign the next numbers to new, distinct hashes."""
        size = len(self._words) + len(hashes)
        if 2 * size > len(self._numbers):
            used = self._numbers >= 0
            kept, numbers = self._hashes[used], self._numbers[used]
            num_slots = len(self._numbers)
            while num_slots < 4 * size:
                num_slots *= 2
            self._hashes, self._numbers = np.zeros(num_slots, np.uint64), np.full(num_slots, -1, np.int32)
            self._store(kept, numbers)
        self._store(hashes, np.arange(len(self._words), size, dtype=np.int32))

    def _store(self, hashes: _HashArray, numbers: NDArray[np.int32]) -> None:
        last = len(self._numbers) - 1
        slots = (hashes & np.uint64(last)).astype(np.int64)
        rest = np.arange(len(hashes))
        while len(rest):
            wanted = slots[rest]
            free = self._numbers[wanted] < 0
            self._numbers[wanted[free]] = numbers[rest[free]]
            # of several hashes for one slot, the last one written gets it
            has_it = self._numbers[wanted] == numbers[rest]
            self._hashes[wanted[has_it]] = hashes[rest[has_it]]
            rest = rest[~has_it]
            slots[rest] = (slots[rest] + 1) & last


def numbered(
    texts: Iterable[Sequence[str]], numbers: WordNumbers
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """For some thousand texts at a time, the concatenated numbers of their words, and the length of each text."""
    for group in lazy_groups_of(texts, TEXTS_AT_ONCE):
        yield numbers.of_words(list(itertools.chain.from_iterable(group))), lengths_of(group)


class _HashedWords:
    """Words and their hashes.

    Args:
        data: the UTF-8 text that contains the words.
        starts: where each word starts, in order.
        ends: where it ends.
    """

    def __init__(self, data: bytes, starts: IntArray, ends: IntArray) -> None:
        self.data = data
        self.starts = starts
        self.ends = ends
        self.hashes: _HashArray = np.empty(len(starts), np.uint64)
        # so that eight bytes can be read from the start of any word
        padded = data + bytes(8)
        # the eight bytes from any position on as an integer: an overlapping, unaligned view
        eights = np.ndarray(len(data) + 1, "<u8", padded, strides=(1,))
        for first in range(0, len(starts), _WORDS_AT_ONCE):
            part = slice(first, first + _WORDS_AT_ONCE)
            self.hashes[part] = _hashes_of(data, eights, starts[part], ends[part])


class HashedLines:
    """The words of lines, split at white space, ready to be numbered.

    This is most of the work of numbering and needs no `WordNumbers`, so it can run ahead in a thread; numpy releases the global
    interpreter lock.

    Args:
        text: the lines, each except perhaps the last with a line feed at its end.
        longest: skip the words of lines that have more than this.

    Attributes:
        lengths: number of words of each line, including lines without words or with too many.
    """

    def __init__(self, text: str, longest: int | None = None) -> None:
        if not text.isascii() and any(blank in text for blank in _OTHER_BLANKS):
            text = "\n".join(" ".join(line.split()) for line in text.split("\n"))
        data = text.encode("utf-8")
        blank = np.frombuffer(b"\1" + data.translate(_IS_BLANK) + b"\1", bool)
        # Words start after white space and end before it, so starts and ends alternate.
        changes = np.flatnonzero(blank[1:] != blank[:-1])
        starts, ends = changes[::2], changes[1::2]
        line_ends = np.flatnonzero(np.frombuffer(data + b"\n", np.uint8) == ord("\n"))
        self.lengths = np.diff(np.searchsorted(starts, line_ends), prepend=0)
        if longest is not None and self.lengths.max() > longest:
            wanted = np.repeat(self.lengths <= longest, self.lengths)
            starts, ends = starts[wanted], ends[wanted]
        self.words = _HashedWords(data, starts, ends)


def _hashes_of(data: bytes, eights: _HashArray, starts: IntArray, ends: IntArray) -> _HashArray:
    """The hashes of the words between these bounds; `eights` has the eight bytes from each position as an integer."""
    lengths = ends - starts
    hashes = eights[starts]
    hashes &= _FIRST_BYTES[np.minimum(lengths, 8)]
    # The length is included, so that words that differ only in trailing zero bytes have different hashes.
    hashes ^= lengths.astype(np.uint64) * _LENGTH_MIXER
    _mix(hashes)
    rest = np.flatnonzero(lengths > 8)
    for first in range(8, _LONGEST_IN_ARRAYS, 8):
        if not len(rest):
            break
        more = eights[starts[rest] + first]
        more &= _FIRST_BYTES[np.minimum(lengths[rest] - first, 8)]
        more ^= hashes[rest]
        _mix(more)
        hashes[rest] = more
        rest = rest[lengths[rest] > first + 8]
    for number in rest.tolist():
        digest = hashlib.blake2b(data[starts[number] : ends[number]], digest_size=8).digest()
        hashes[number] = int.from_bytes(digest, "little")
    return hashes


def _mix(hashes: _HashArray) -> None:
    """Mix the bits in place so that each depends on all others; a bijection."""
    hashes ^= hashes >> _HALF
    hashes *= _MIXER
    hashes ^= hashes >> _HALF
    hashes *= _MIXER
    # The low bits of a product, which select the slot, are the least random ones.
    hashes ^= hashes >> _HALF
