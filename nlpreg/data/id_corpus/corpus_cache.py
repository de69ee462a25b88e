"""Corpora of ids that are made once and found again by later runs."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import CACHE_ROOT, FileLock
from nlpreg.common.fingerprint import NoFingerprintError
from nlpreg.common.tqdm import Tqdm
from nlpreg.data.cache_keys import cache_is_off, key_of_data
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import find_files
from nlpreg.data.fields.metadata_field import MetadataField
from nlpreg.data.fields.text_field import TextField
from nlpreg.data.id_corpus.building import write_id_corpus
from nlpreg.data.id_corpus.id_corpus import FORMAT, IdCorpus
from nlpreg.data.instance import Instance
from nlpreg.data.whole_list import speaks_for

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
    key = None
    if use_cache and not cache_is_off():
        key = _key(reader, data_path, text_field)
    if key is None:
        temporary = tempfile.mkdtemp(prefix="nlpreg-corpus-")
        _write(reader, data_path, text_field, temporary)
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
            before = _stamps(data_path)
            _write(reader, data_path, text_field, unfinished)
            if _stamps(data_path) != before:
                raise ConfigurationError(
                    f"{data_path}: changed while it was read; start again when it is whole"
                )
            shutil.rmtree(target, ignore_errors=True)
            os.replace(unfinished, target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    logger.info("%s: numbered its words in %s", data_path, target)
    return IdCorpus(target)


def text_field_of_reader(reader: DatasetReader, data_path: Any) -> tuple[str, TextField]:
    """Which field of a reader's instances is the text, and that of the first instance, with its indexers.

    Raises:
        ConfigurationError: there are no instances, or their fields are not one text (beside metadata).
    """
    with _alone(reader):
        instance = next(iter(reader.read(data_path)), None)
    if instance is None:
        raise ConfigurationError(f"{data_path}: {type(reader).__name__} found no instances there")
    texts = [(name, field) for name, field in instance.fields.items() if type(field) is TextField]
    others = [
        name for name, field in instance.fields.items() if not isinstance(field, (TextField, MetadataField))
    ]
    if len(texts) != 1 or others:
        raise ConfigurationError(
            f"dataset_reader: {type(reader).__name__} makes instances with the fields {', '.join(instance.fields)}; expected "
            "a single text, as the readers of language models make it; use the multiprocess data loader for others"
        )
    return texts[0]


def _write(reader: DatasetReader, data_path: Any, text_field: str, folder: str | os.PathLike[str]) -> None:
    with _alone(reader):
        texts = Tqdm.tqdm(_texts(reader, data_path, text_field), desc="numbering words", unit=" texts")
        write_id_corpus(texts, folder)


def _stamps(data_path: Any) -> list[tuple[int, int]]:
    """What tells whether somebody writes to the files of a data path."""
    found = [os.stat(file.path) for file in find_files(data_path)]
    return [(status.st_size, status.st_mtime_ns) for status in found]


def _texts(reader: DatasetReader, data_path: Any, text_field: str) -> Iterator[list[str]]:
    """The words of each text; without instances, if the reader can do so and no subclass has changed what it reads."""
    if speaks_for(type(reader), "read_words", "read", "_read", "_instance_of", "text_to_instance"):
        read_words: Callable[[Any], Iterator[list[str]]] = getattr(reader, "read_words")  # noqa: B009 - few have it
        return read_words(data_path)
    return (_words(instance, text_field) for instance in reader.read(data_path))


def _words(instance: Instance, text_field: str) -> list[str]:
    field = instance.fields[text_field]
    assert isinstance(field, TextField)
    return field.words


@contextlib.contextmanager
def _alone(reader: DatasetReader) -> Iterator[None]:
    """Let a reader read everything, and not its share."""
    worker, distributed = reader.get_worker_info(), reader.get_distributed_info()
    reader._set_worker_info(None)
    reader._set_distributed_info(None)
    try:
        yield
    finally:
        reader._set_worker_info(worker)
        reader._set_distributed_info(distributed)


def _key(reader: DatasetReader, data_path: Any, text_field: str) -> str | None:
    """The name of a corpus, or None if nobody could tell whether it is still the same next time."""
    try:
        return key_of_data(reader, find_files(data_path), FORMAT, text_field)
    except (NoFingerprintError, OSError, ConfigurationError) as reason:
        logger.info("%s: its corpus of ids will not be kept for later runs (%s)", data_path, reason)
        return None


def _remove_with(corpus: IdCorpus, folder: str) -> None:
    """Remove a folder when its corpus is no longer needed in the process that made it."""
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    weakref.finalize(corpus, remove)
