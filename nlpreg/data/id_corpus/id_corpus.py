"""A corpus on disk as the numbers of its words."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpreg.data.id_corpus.id_file import IdFile

IDS_FILE = "ids.bin"
ENDS_FILE = "ends.bin"
COUNTS_FILE = "counts.bin"
WORDS_FILE = "words.json"
META_FILE = "meta.json"
FORMAT = 2


@dataclass(frozen=True)
class CorpusMeta:
    """What a corpus says about itself.

    Args:
        dtype: type of the numbers, the smallest that holds them.
        num_words: number of words of all texts together.
        num_texts: number of texts.
        num_distinct_words: number of distinct words.
        digest: tells corpora apart by their content.
        format: version of the files.
    """

    dtype: str
    num_words: int
    num_texts: int
    num_distinct_words: int
    digest: str
    format: int = FORMAT

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))


class IdCorpus:
    """Texts as numbers of distinct words, which are numbered in the order of their first appearance.

    The numbers are not ids of a vocabulary: any vocabulary can be laid over them (`IndexedLexicon`).

    Args:
        folder: written by `write_id_corpus`.

    Raises:
        ValueError: the folder does not hold a whole corpus of this format.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.meta = _read_meta(self.folder)
        self._ids = IdFile(self.folder / IDS_FILE, self.meta.dtype) if self.meta.num_words else None
        self._ends = IdFile(self.folder / ENDS_FILE, "<i8") if self.meta.num_texts else None

    @property
    def words(self) -> list[str]:
        """The distinct words, by number; read anew each time, since they may be most of what fills the memory."""
        words: list[str] = json.loads((self.folder / WORDS_FILE).read_bytes())
        return words

    @functools.cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each distinct word occurs, by number."""
        return np.fromfile(self.folder / COUNTS_FILE, "<i8")

    @property
    def num_words(self) -> int:
        """The number of words of all texts together."""
        return self.meta.num_words

    @property
    def num_texts(self) -> int:
        """The number of texts."""
        return self.meta.num_texts

    def numbers(self, start: int, stop: int) -> NDArray[Any]:
        """The numbers of the words from `start` up to `stop`, of all texts in one row."""
        return np.zeros(0, self.meta.dtype) if self._ids is None else self._ids.read(start, stop)

    def bounds(self, start: int, stop: int) -> NDArray[np.int64]:
        """Where texts begin and end in the row of all words: those of the texts from `start` up to `stop`.

        Returns:
            `(stop - start + 1,)`: the first word of each, and behind the last one the end.
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


def _read_meta(folder: Path) -> CorpusMeta:
    """What the corpus says about itself, once its files turn out to have the sizes that go with it."""
    try:
        meta = CorpusMeta(**json.loads((folder / META_FILE).read_bytes()))
        sizes = {
            IDS_FILE: meta.num_words * np.dtype(meta.dtype).itemsize,
            ENDS_FILE: meta.num_texts * 8,
            COUNTS_FILE: meta.num_distinct_words * 8,
        }
        whole = meta.format == FORMAT and all(
            (folder / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{folder}: expected a corpus of ids, got something else ({error})") from error
    if not whole:
        raise ValueError(f"{folder}: this corpus of ids is damaged, or of another version; remove the folder")
    return meta
