"""A corpus on disk as the numbers of its words."""

import functools
import json
import mmap
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpreg.common.files import atomic_write
from nlpreg.common.fingerprint import fingerprint_of_files
from nlpreg.data.word_numbers import WordNumbers, numbered

_IDS_FILE = "ids.bin"
_ENDS_FILE = "ends.bin"
_COUNTS_FILE = "counts.bin"
_WORDS_FILE = "words.json"
_META_FILE = "meta.json"
FORMAT = 3

NUMBERS_AT_ONCE = 1 << 22

# The type of numbers while they are written, when their maximum is not known yet.
_FIRST_TYPE = np.dtype("<i4")

_PAGES_AROUND = 1 << 16
"""Bytes that the system may map around those that are read."""

BYTES_TO_KEEP = 1 << 25
"""Bytes that may stay mapped before they are released."""


class IdFile:
    """A long sequence of integers on disk.

    Reading returns a copy. The mapped pages are released from time to time, so that reading a file of any size takes a bounded
    amount of memory; the file stays in the page cache of the system.

    Args:
        path: the file, which contains only the numbers.
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
        """A copy of the numbers from `start` up to `stop`, fewer at the end of the file."""
        numbers: NDArray[Any] = self._numbers[start:stop].copy()
        # the bytes read, and those that the system has probably mapped around them
        self._bytes_read += numbers.nbytes + _PAGES_AROUND
        if self._bytes_read > BYTES_TO_KEEP:
            self._bytes_read = 0
            if hasattr(mmap, "MADV_DONTNEED"):  # not available on Windows
                self._map.madvise(mmap.MADV_DONTNEED)
        return numbers


@dataclass(frozen=True)
class CorpusMeta:
    """The metadata of a corpus.

    Args:
        dtype: type of the numbers, the smallest that holds them.
        num_words: number of words of all texts together.
        num_texts: number of texts.
        num_distinct_words: number of distinct words.
        digest: digest of the texts: bounds, numbers and words.
        counts_digest: digest of the file of counts.
        format: version of the file format.
    """

    dtype: str
    num_words: int
    num_texts: int
    num_distinct_words: int
    digest: str
    counts_digest: str
    format: int = FORMAT


class IdCorpus:
    """Texts as numbers of distinct words, which are numbered in the order of their first appearance.

    The numbers are not ids of a vocabulary; `IndexedLexicon` maps them to the ids of any vocabulary.

    Args:
        folder: written by `write_id_corpus`.

    Raises:
        ValueError: the folder does not contain a complete corpus in this format.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.meta = _read_meta(self.folder)
        self._ids = IdFile(self.folder / _IDS_FILE, self.meta.dtype) if self.meta.num_words else None
        self._ends = IdFile(self.folder / _ENDS_FILE, "<i8") if self.meta.num_texts else None

    @property
    def words(self) -> list[str]:
        """The distinct words, by number; read from the file on each access, because they may take most of the memory."""
        words: list[str] = json.loads((self.folder / _WORDS_FILE).read_bytes())
        return words

    @functools.cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each distinct word occurs, by number."""
        return np.fromfile(self.folder / _COUNTS_FILE, "<i8")

    @property
    def num_words(self) -> int:
        """The number of words of all texts together."""
        return self.meta.num_words

    @property
    def num_texts(self) -> int:
        """The number of texts."""
        return self.meta.num_texts

    def numbers(self, start: int, stop: int) -> NDArray[Any]:
        """The numbers of the words from `start` up to `stop` in the concatenation of all texts."""
        return np.zeros(0, self.meta.dtype) if self._ids is None else self._ids.read(start, stop)

    def bounds(self, start: int, stop: int) -> NDArray[np.int64]:
        """Where the texts from `start` up to `stop` begin and end in the concatenation of all texts.

        Returns:
            `(stop - start + 1,)`: the first word of each text, and the end of the last one.
        """
        if self._ends is None or start >= stop:
            return np.zeros(1, np.int64)
        if start > 0:
            return self._ends.read(start - 1, stop)
        return np.concatenate([np.zeros(1, np.int64), self._ends.read(0, stop)])

    def text(self, index: int) -> list[str]:
        """The words of one text."""
        words, (start, stop) = self.words, self.bounds(index, index + 1).tolist()
        return [words[number] for number in self.numbers(start, stop).tolist()]

    def verify(self) -> None:
        """Check that the files have not changed since they were written.

        Raises:
            ValueError: a file has changed.
        """
        texts = _digest_of_files(self.folder, _ENDS_FILE, _IDS_FILE, _WORDS_FILE)
        counts = _digest_of_files(self.folder, _COUNTS_FILE)
        if (texts, counts) != (self.meta.digest, self.meta.counts_digest):
            raise ValueError(f"{self.folder}: this corpus of ids is damaged; remove the folder")


def _read_meta(folder: Path) -> CorpusMeta:
    """The metadata of a corpus, after checking the sizes of its files."""
    try:
        meta = CorpusMeta(**json.loads((folder / _META_FILE).read_bytes()))
        sizes = {
            _IDS_FILE: meta.num_words * np.dtype(meta.dtype).itemsize,
            _ENDS_FILE: meta.num_texts * 8,
            _COUNTS_FILE: meta.num_distinct_words * 8,
        }
        whole = (
            meta.format == FORMAT
            and meta.dtype == _type_for(meta.num_distinct_words).str
            and all((folder / name).stat().st_size == size for name, size in sizes.items())
        )
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{folder}: expected a corpus of ids, got something else ({error})") from error
    if not whole:
        raise ValueError(f"{folder}: this corpus of ids is damaged, or of another version; remove the folder")
    return meta


def write_id_corpus(texts: Iterable[Sequence[str]], folder: str | os.PathLike[str]) -> CorpusMeta:
    """Number the words of texts in the order of their first appearance, and write the numbers to files.

    Only the distinct words, and some thousand texts at a time, are in memory.

    Args:
        texts: the words of each text.
        folder: an existing folder; files of another corpus in it are overwritten.
    """
    numbers = WordNumbers()
    return write_numbered(numbered(texts, numbers), numbers, folder)


def write_numbered(
    texts: Iterable[tuple[NDArray[np.int32], NDArray[np.int64]]],
    numbers: WordNumbers,
    folder: str | os.PathLike[str],
) -> CorpusMeta:
    """Write texts that are numbered while they are iterated over.

    Args:
        texts: as from `numbered`.
        numbers: numbers the words.
        folder: see `write_id_corpus`.
    """
    target = Path(folder)
    num_texts = num_words = 0
    counts = np.zeros(0, np.int64)
    uncounted: list[NDArray[np.int32]] = []
    # the file of numbers is written again below, in its final type
    with open(target / _IDS_FILE, "wb") as ids_file, atomic_write(target / _ENDS_FILE) as ends_file:
        for ids, lengths in texts:
            ids_file.write(ids.astype(_FIRST_TYPE).data)
            ends_file.write((num_words + np.cumsum(lengths)).astype("<i8").data)
            # Counted in large groups, because the cost of counting is proportional to the number of distinct words.
            uncounted.append(ids)
            if sum(map(len, uncounted)) >= NUMBERS_AT_ONCE:
                counts = _counted(counts, uncounted)
                uncounted.clear()
            num_texts += len(lengths)
            num_words += len(ids)
        counts = _counted(counts, uncounted)
    dtype = _type_for(len(numbers))
    _rewrite(target / _IDS_FILE, dtype)
    _write(target / _WORDS_FILE, json.dumps(numbers.words).encode("ascii"))
    _write(target / _COUNTS_FILE, counts.astype("<i8").tobytes())
    digest = _digest_of_files(target, _ENDS_FILE, _IDS_FILE, _WORDS_FILE)
    counts_digest = _digest_of_files(target, _COUNTS_FILE)
    meta = CorpusMeta(dtype.str, num_words, num_texts, len(numbers), digest, counts_digest)
    _write(target / _META_FILE, json.dumps(asdict(meta)).encode("ascii"))
    return meta


def _counted(counts: NDArray[np.int64], ids: Sequence[NDArray[np.int32]]) -> NDArray[np.int64]:
    """The counts with the numbers in `ids` added."""
    # New words make the array of counts longer.
    found = np.bincount(np.concatenate([np.zeros(0, np.int32), *ids]), minlength=len(counts))
    found[: len(counts)] += counts
    return found


def _type_for(num_distinct_words: int) -> np.dtype[Any]:
    """The smallest type for the numbers of this many words."""
    smallest: np.dtype[Any] = np.min_scalar_type(max(0, num_distinct_words - 1)).newbyteorder("<")
    return smallest


def _rewrite(path: Path, dtype: np.dtype[Any]) -> None:
    """Rewrite the numbers of a file in their final type."""
    with open(path, "rb") as numbers_file, atomic_write(path) as file:
        while content := numbers_file.read(NUMBERS_AT_ONCE * _FIRST_TYPE.itemsize):
            file.write(np.frombuffer(content, _FIRST_TYPE).astype(dtype).data)


def _digest_of_files(folder: Path, *names: str) -> str:
    return fingerprint_of_files(*(folder / name for name in names), digest_size=16)


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
