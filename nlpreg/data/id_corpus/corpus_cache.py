"""Corpora of ids that are made once and found again by later runs."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import CACHE_ROOT, FileLock
from nlpreg.common.fingerprint import NoFingerprintError
from nlpreg.common.tqdm import Tqdm
from nlpreg.data.cache_keys import cache_is_off, key_of_data
from nlpreg.data.columns import WordColumn
from nlpreg.data.data_loaders.worker_error import WorkerError
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataFile, find_files
from nlpreg.data.id_corpus.building import write_columns, write_id_corpus
from nlpreg.data.id_corpus.id_corpus import FORMAT, IdCorpus
from nlpreg.data.id_corpus.words_of_reader import columns_of_reader, number_of_processes, texts_of_reader

logger = logging.getLogger(__name__)

CORPUS_CACHE = CACHE_ROOT / "corpora"


def id_corpus_of(
    reader: DatasetReader,
    data_path: Any,
    text_field: str,
    use_cache: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
) -> IdCorpus:
    """The words that a reader finds, as a corpus of ids; made now unless an earlier run has made it.

    A corpus is found again by the content of the files, the reader (its arguments, tokenizer and code) and this package's
    version. Several processes that want the same one wait for the first. Where it cannot be told whether a corpus would be the
    same next time, it is made in a temporary folder, and removed with this process.

    Args:
        reader: reads the texts; processes and workers are of no interest here.
        data_path: what it reads.
        text_field: name of the field that holds the text.
        use_cache: whether to look for an earlier one, and keep this one.
        cache_dir: folder of the corpora; `CORPUS_CACHE` unless given.
    """
    folder = Path(cache_dir or CORPUS_CACHE)
    files = _files(data_path)
    stamps = _stamps(files)
    key = None
    if use_cache and not cache_is_off():
        key = _key(reader, data_path, text_field, files)
    if key is None:
        temporary = tempfile.mkdtemp(prefix="nlpreg-corpus-")
        try:
            _write(reader, data_path, text_field, files, temporary)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        corpus = IdCorpus(temporary)
        _remove_with(corpus, temporary)
        return corpus
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / key
    with FileLock(f"{target}.lock"):
        with contextlib.suppress(ValueError):
            return IdCorpus(target)
        # absent; or, say after the disk was full, damaged
        unfinished = folder / f"{key}.tmp"
        shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        unfinished.mkdir()
        try:
            _write(reader, data_path, text_field, files, unfinished)
            if _stamps(files) != stamps:
                raise ConfigurationError(
                    f"{data_path}: changed while it was read; start again when it is whole"
                )
            shutil.rmtree(target, ignore_errors=True)
            os.replace(unfinished, target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    logger.info("%s: numbered its words in %s", data_path, target)
    return IdCorpus(target)


def _write(
    reader: DatasetReader,
    data_path: Any,
    text_field: str,
    files: Sequence[DataFile],
    folder: str | os.PathLike[str],
) -> None:
    num_processes = number_of_processes(reader, files)
    if num_processes > 1:
        try:
            with contextlib.closing(columns_of_reader(reader, files, num_processes)) as columns:
                write_columns(_counted(columns), folder)
            return
        except WorkerError as error:
            # what is wrong with the data is wrong here too, and then said as ever
            logger.info(
                "%s: numbering its words in one process, since one of several failed: %s", data_path, error
            )
    texts = texts_of_reader(reader, data_path, text_field)
    write_id_corpus(Tqdm.tqdm(texts, desc="numbering words", unit=" texts"), folder)


def _counted(columns: Iterable[WordColumn]) -> Iterator[WordColumn]:
    """The same columns, with a progress bar that counts texts."""
    with Tqdm.tqdm(desc="numbering words", unit=" texts") as bar:
        for column in columns:
            yield column
            bar.update(len(column.lengths))


def _stamps(files: Sequence[DataFile]) -> list[tuple[int, int]]:
    """What tells whether somebody writes to files."""
    found = [os.stat(file.path) for file in files]
    return [(status.st_size, status.st_mtime_ns) for status in found]


def _files(data_path: Any) -> list[DataFile]:
    """The files of a data path; none if it is not one of files, or the reader will say what is wrong with it."""
    try:
        return find_files(data_path)
    except (OSError, ConfigurationError):
        return []


def _key(reader: DatasetReader, data_path: Any, text_field: str, files: Sequence[DataFile]) -> str | None:
    """The name of a corpus, or None if nobody could tell whether it is still the same next time."""
    try:
        if not files:
            raise NoFingerprintError("its data path does not name files")
        return key_of_data(reader, files, FORMAT, text_field)
    except (NoFingerprintError, OSError) as reason:
        logger.info("%s: its corpus of ids will not be kept for later runs (%s)", data_path, reason)
        return None


def _remove_with(corpus: IdCorpus, folder: str) -> None:
    """Remove a folder when its corpus is no longer needed in the process that made it."""
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    weakref.finalize(corpus, remove)
