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
    num_texts = num_words = 0
    with open(target / IDS_FILE, "wb") as ids_file, open(target / ENDS_FILE, "wb") as ends_file:
        for group in lazy_groups_of(texts, TEXTS_AT_ONCE):
            words = itertools.chain.from_iterable(group)
            lengths = lengths_of(group)
            numbers = np.fromiter(map(number_of.__getitem__, words), FIRST_TYPE, int(lengths.sum()))
            ids_file.write(numbers.tobytes())
            ends_file.write((num_words + np.cumsum(lengths)).astype("<i8").tobytes())
            num_texts += len(group)
            num_words += len(numbers)
        ends_file.flush()
        os.fsync(ends_file.fileno())
    dtype = np.dtype(np.min_scalar_type(max(0, len(number_of) - 1))).newbyteorder("<")
    counts = _finish_numbers(target / IDS_FILE, dtype, len(number_of))
    meta = CorpusMeta(dtype.str, num_words, num_texts, len(number_of))
    _write(target / COUNTS_FILE, counts.astype("<i8").tobytes())
    _write(target / WORDS_FILE, json.dumps(list(number_of)).encode("ascii"))
    _write(target / META_FILE, meta.to_json().encode("ascii"))
    return meta


def _finish_numbers(path: Path, dtype: np.dtype[Any], num_distinct: int) -> NDArray[np.int64]:
    """Write the numbers anew in the smallest type, now that it is known, and count how often each occurs."""
    counts = np.zeros(num_distinct, np.int64)
    smallest = path.with_suffix(".smallest")
    with open(path, "rb") as numbers_file, open(smallest, "wb") as file:
        while content := numbers_file.read(NUMBERS_AT_ONCE * FIRST_TYPE.itemsize):
            numbers = np.frombuffer(content, FIRST_TYPE)
            counts += np.bincount(numbers, minlength=num_distinct)
            file.write(numbers.astype(dtype).tobytes())
        file.flush()
        os.fsync(file.fileno())
    os.replace(smallest, path)
    return counts


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
