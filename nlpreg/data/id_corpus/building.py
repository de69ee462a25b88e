"""Writing a corpus of ids in one pass over its texts."""

from __future__ import annotations

import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpreg.common.util import lazy_groups_of
from nlpreg.data.columns import lengths_of
from nlpreg.data.id_corpus.id_corpus import (
    COUNTS_FILE,
    ENDS_FILE,
    IDS_FILE,
    META_FILE,
    WORDS_FILE,
    CorpusMeta,
)
from nlpreg.data.id_corpus.id_file import IdFile

TEXTS_AT_ONCE = 4096
NUMBERS_AT_ONCE = 1 << 22
FIRST_TYPE = np.dtype("<i4")


def write_id_corpus(texts: Iterable[Sequence[str]], folder: str | os.PathLike[str]) -> CorpusMeta:
    """Number the words of texts in the order of their first appearance, and write the numbers to files.

    Besides the distinct words, no more than some thousand texts are in memory at a time.

    Args:
        texts: the words of each text.
        folder: an existing, empty folder.
    """
    target = Path(folder)
    number_of: defaultdict[str, int] = defaultdict()
    number_of.default_factory = number_of.__len__  # a new word gets the next number
    counts = np.zeros(0, np.int64)
    num_texts = num_words = 0
    with open(target / IDS_FILE, "wb") as ids_file, open(target / ENDS_FILE, "wb") as ends_file:
        for group in lazy_groups_of(texts, TEXTS_AT_ONCE):
            words = itertools.chain.from_iterable(group)
            lengths = lengths_of(group)
            numbers = np.fromiter(map(number_of.__getitem__, words), FIRST_TYPE, int(lengths.sum()))
            counts = _added(counts, np.bincount(numbers, minlength=len(number_of)))
            ids_file.write(numbers.tobytes())
            ends_file.write((num_words + np.cumsum(lengths)).astype("<i8").tobytes())
            num_texts += len(group)
            num_words += len(numbers)
        for file in (ids_file, ends_file):
            file.flush()
            os.fsync(file.fileno())
    dtype = np.dtype(np.min_scalar_type(max(0, len(number_of) - 1))).newbyteorder("<")
    if num_words:
        _rewrite(target / IDS_FILE, dtype)
    meta = CorpusMeta(dtype.str, num_words, num_texts, len(number_of))
    _write(target / COUNTS_FILE, counts.astype("<i8").tobytes())
    _write(target / WORDS_FILE, json.dumps(list(number_of)).encode("ascii"))
    _write(target / META_FILE, meta.to_json().encode("ascii"))
    return meta


def _added(totals: NDArray[np.int64], counts: NDArray[Any]) -> NDArray[np.int64]:
    """The totals with more counts added; room for new words is made generously, so that it is made seldom."""
    if len(counts) > len(totals):
        totals = np.concatenate([totals, np.zeros(len(counts) - len(totals), np.int64)])
    totals[: len(counts)] += counts
    return totals


def _rewrite(path: Path, dtype: np.dtype[Any]) -> None:
    """Write the numbers anew in a smaller type, once it is known how many words there are."""
    if dtype.itemsize >= FIRST_TYPE.itemsize:
        return
    numbers = IdFile(path, FIRST_TYPE.str)
    smaller = path.with_suffix(".smaller")
    with open(smaller, "wb") as file:
        for start in range(0, len(numbers), NUMBERS_AT_ONCE):
            file.write(numbers.read(start, start + NUMBERS_AT_ONCE).astype(dtype).tobytes())
        file.flush()
        os.fsync(file.fileno())
    numbers.close()
    os.replace(smaller, path)


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
