"""Writing a corpus of ids in one pass over its texts."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpreg.common.util import lazy_groups_of
from nlpreg.data.columns import WordColumn, lengths_of
from nlpreg.data.id_corpus.id_corpus import (
    COUNTS_FILE,
    ENDS_FILE,
    IDS_FILE,
    META_FILE,
    WORDS_FILE,
    CorpusMeta,
)

TEXTS_AT_ONCE = 4096
NUMBERS_AT_ONCE = 1 << 22
FIRST_TYPE = np.dtype("<i4")


def write_id_corpus(texts: Iterable[Sequence[str]], folder: str | os.PathLike[str]) -> CorpusMeta:
    """Number the words of texts in the order of their first appearance, and write the numbers to files.

    Besides the distinct words, no more than some thousand texts are in memory at a time.

    Args:
        texts: the words of each text.
        folder: an existing folder; what it holds of another corpus is written over.
    """
    numbers_of = _Numbers()

    def numbered() -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        for group in lazy_groups_of(texts, TEXTS_AT_ONCE):
            lengths = lengths_of(group)
            yield numbers_of(itertools.chain.from_iterable(group), int(lengths.sum())), lengths

    return _write_all(numbered(), numbers_of, folder)


def write_columns(columns: Iterable[WordColumn], folder: str | os.PathLike[str]) -> CorpusMeta:
    """The same of texts whose distinct words have been found already, some thousand texts at a time."""
    numbers_of = _Numbers()
    numbered = (
        (numbers_of(column.words, len(column.words))[column.numbers], column.lengths) for column in columns
    )
    return _write_all(numbered, numbers_of, folder)


class _Numbers:
    """The number of each distinct word, which a new word gets when it is first asked for."""

    def __init__(self) -> None:
        self.by_word: defaultdict[str, int] = defaultdict()
        self.by_word.default_factory = self.by_word.__len__

    def __call__(self, words: Iterable[str], num_words: int) -> NDArray[Any]:
        return np.fromiter(map(self.by_word.__getitem__, words), FIRST_TYPE, num_words)


def _write_all(
    texts: Iterable[tuple[NDArray[Any], NDArray[np.int64]]],
    numbers_of: _Numbers,
    folder: str | os.PathLike[str],
) -> CorpusMeta:
    """Write texts some thousand at a time, which are numbered as they are asked for.

    Args:
        texts: the numbers of their words, all in one row, and the length of each text.
        numbers_of: gives the numbers.
        folder: see above.
    """
    target = Path(folder)
    num_texts = num_words = 0
    digest = hashlib.blake2b(digest_size=16)
    with open(target / IDS_FILE, "wb") as ids_file, open(target / ENDS_FILE, "wb") as ends_file:
        for numbers, lengths in texts:
            ids_file.write(numbers.data)
            ends = (num_words + np.cumsum(lengths)).astype("<i8").tobytes()
            ends_file.write(ends)
            digest.update(ends)
            num_texts += len(lengths)
            num_words += len(numbers)
        ends_file.flush()
        os.fsync(ends_file.fileno())
    number_of = numbers_of.by_word
    dtype = np.dtype(np.min_scalar_type(max(0, len(number_of) - 1))).newbyteorder("<")
    counts = np.zeros(len(number_of), np.int64)
    for numbers in _rewritten(target / IDS_FILE, dtype):
        counts += np.bincount(numbers, minlength=len(counts))
        digest.update(numbers.data)
    word_list = json.dumps(list(number_of)).encode("ascii")
    digest.update(word_list)
    _write(target / WORDS_FILE, word_list)
    _write(target / COUNTS_FILE, counts.astype("<i8").tobytes())
    meta = CorpusMeta(dtype.str, num_words, num_texts, len(number_of), digest.hexdigest())
    _write(target / META_FILE, meta.to_json().encode("ascii"))
    return meta


def _rewritten(path: Path, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Write the numbers anew in the smallest type, now that it is known; yields them some at a time."""
    rewritten = path.with_suffix(".rewritten")
    with open(path, "rb") as numbers_file, open(rewritten, "wb") as file:
        while content := numbers_file.read(NUMBERS_AT_ONCE * FIRST_TYPE.itemsize):
            numbers = np.frombuffer(content, FIRST_TYPE).astype(dtype)
            file.write(numbers.data)
            yield numbers
        file.flush()
        os.fsync(file.fileno())
    os.replace(rewritten, path)


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
