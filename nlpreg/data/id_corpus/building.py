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
    digest = hashlib.blake2b(digest_size=16)
    with open(target / IDS_FILE, "wb") as ids_file, open(target / ENDS_FILE, "wb") as ends_file:
        for group in lazy_groups_of(texts, TEXTS_AT_ONCE):
            words = itertools.chain.from_iterable(group)
            lengths = lengths_of(group)
            numbers = np.fromiter(map(number_of.__getitem__, words), FIRST_TYPE, int(lengths.sum()))
            ids_file.write(numbers.tobytes())
            ends = (num_words + np.cumsum(lengths)).astype("<i8").tobytes()
            ends_file.write(ends)
            digest.update(ends)
            num_texts += len(group)
            num_words += len(numbers)
        ends_file.flush()
        os.fsync(ends_file.fileno())
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
