"""Corpora of ids that are made once and reused by later runs."""

import functools
import hashlib
import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import CACHE_ROOT, FileLock
from nlpreg.common.fingerprint import NoFingerprintError, fingerprint, fingerprint_of_files
from nlpreg.common.meta import installed_version
from nlpreg.common.tqdm import Tqdm
from nlpreg.data.columns import can_use_batched
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataFile, find_files
from nlpreg.data.fields import MetadataField, TextField
from nlpreg.data.id_corpus.id_corpus import FORMAT, IdCorpus, write_numbered
from nlpreg.data.instance import Instance
from nlpreg.data.word_numbers import WordNumbers, numbered
from nlpreg.version import VERSION

logger = logging.getLogger(__name__)

CORPUS_CACHE = CACHE_ROOT / "corpora"

NO_CACHE_VARIABLE = "NLPREG_NO_CACHE"
"""Environment variable that disables the cache: no corpus is kept for later runs or taken from earlier ones."""

# Attributes of readers that do not affect what is read.
_NOT_OF_INTEREST = ("_token_indexers", "_worker_info", "_distributed_info", "_origin", "serialization_dir")

# Packages that tokenizers rely on.
_TOKENIZER_PACKAGES = ("spacy", "tokenizers", "transformers")

_WAYS_OF_READING = ("read", "_read", "_read_as", "units", "_find_files", "_instance_of", "text_to_instance")


def id_corpus_of(
    reader: DatasetReader,
    data_path: Any,
    text_field: str,
    use_cache: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
) -> IdCorpus:
    """The words of a reader as a corpus of ids, from the cache if an earlier run has made it.

    The key of a corpus is made from the content of the files, the reader (its arguments, tokenizer and code) and the version
    of this package. If several processes need the same corpus, one makes it and the others wait. If no reproducible key can
    be made, the corpus is written to a temporary folder, which is removed at the end of this process.

    Args:
        reader: reads the texts, all of them on every process and worker.
        data_path: what it reads.
        text_field: name of the field that holds the text.
        use_cache: whether to use the cache.
        cache_dir: folder of the cache; `CORPUS_CACHE` by default.
    """
    folder = Path(cache_dir or CORPUS_CACHE)
    files = _files(data_path)
    stamps = _stamps(files)
    key = None
    if use_cache and not cache_is_off():
        key = _key(reader, data_path, text_field, files)
    if key is None:
        return _temporary_corpus(reader, data_path, text_field)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / key
    with FileLock(f"{target}.lock"):
        if target.exists():
            try:
                corpus = IdCorpus(target)
                corpus.verify()
                return corpus
            except (OSError, ValueError) as reason:
                logger.warning("%s: its corpus of ids is made again (%s)", data_path, reason)
        unfinished = folder / f"{key}.tmp"
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a process that was killed
        unfinished.mkdir()
        try:
            _write(reader, data_path, text_field, unfinished)
            if _stamps(files) != stamps:
                raise ConfigurationError(
                    f"{data_path}: the file changed while it was read; start again when it is complete"
                )
            shutil.rmtree(target, ignore_errors=True)
            os.replace(unfinished, target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    logger.info("%s: numbered its words in %s", data_path, target)
    return IdCorpus(target)


def _write(reader: DatasetReader, data_path: Any, text_field: str, folder: str | os.PathLike[str]) -> None:
    numbers = WordNumbers()
    with Tqdm.tqdm(desc="numbering words", unit=" texts") as bar, reader.alone():

        def counted() -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
            for ids, lengths in _numbered_texts(reader, data_path, text_field, numbers):
                yield ids, lengths
                bar.update(len(lengths))

        write_numbered(counted(), numbers, folder)


def _numbered_texts(
    reader: Any, data_path: Any, text_field: str, numbers: WordNumbers
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """The numbers of the words, some thousand texts at a time.

    No instances are made if the reader supports that and no subclass overrides what it reads.
    """
    if can_use_batched(type(reader), "numbered_texts", *_WAYS_OF_READING):
        yield from reader.numbered_texts(data_path, numbers)
    else:
        instances = reader.read(data_path)
        yield from numbered((_words(instance, text_field) for instance in instances), numbers)


def _words(instance: Instance, text_field: str) -> list[str]:
    field = instance.fields[text_field]
    assert isinstance(field, TextField)
    return field.words


def text_field_of_reader(reader: DatasetReader, data_path: Any) -> tuple[str, TextField]:
    """The name of the text field of a reader's instances, and that field of the first instance, with its indexers.

    Raises:
        ConfigurationError: there are no instances, or their fields, apart from metadata, are not a single text.
    """
    with reader.alone():
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


def _stamps(files: Sequence[DataFile]) -> list[tuple[int, int]]:
    """Size and time of modification of files, to detect that they are changed meanwhile."""
    found = [os.stat(file.path) for file in files]
    return [(status.st_size, status.st_mtime_ns) for status in found]


def _files(data_path: Any) -> list[DataFile]:
    """The files of a data path; none if it does not name files, or has an error that the reader will report."""
    try:
        return find_files(data_path)
    except (OSError, ConfigurationError):
        return []


def _key(reader: DatasetReader, data_path: Any, text_field: str, files: Sequence[DataFile]) -> str | None:
    """The key of a corpus in the cache; None if a later run could not verify that it is unchanged."""
    try:
        if not files:
            raise NoFingerprintError("its data path does not name files")
        return key_of_data(reader, files, FORMAT, text_field)
    except (NoFingerprintError, OSError) as reason:
        logger.info("%s: its corpus of ids will not be kept for later runs (%s)", data_path, reason)
        return None


def _temporary_corpus(reader: DatasetReader, data_path: Any, text_field: str) -> IdCorpus:
    """A corpus in a temporary folder, which is removed with it, by the process that made it only."""
    folder, owner = tempfile.mkdtemp(prefix="nlpreg-corpus-"), os.getpid()
    try:
        _write(reader, data_path, text_field, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    corpus = IdCorpus(folder)
    weakref.finalize(corpus, remove)
    return corpus


def cache_is_off() -> bool:
    """Whether the user has disabled caches of data."""
    return bool(os.environ.get(NO_CACHE_VARIABLE))


def key_of_data(reader: DatasetReader, files: Sequence[DataFile], *more: Any) -> str:
    """A key for the data of a reader, which changes if files, reader, tokenizer or code change.

    Args:
        reader: covered with its arguments and the code of its classes, but without its token indexers.
        files: covered with their content, but not with their paths.
        more: further plain values.

    Raises:
        NoFingerprintError: the reader holds an object without a reproducible fingerprint.
        OSError: a file cannot be read.
    """
    content = [(fingerprint_of_files(file.path), file.suffix) for file in files]
    read_by = fingerprint(reader, leave_out=_NOT_OF_INTEREST)
    packages = {name: installed_version(name) for name in _TOKENIZER_PACKAGES}
    return fingerprint([VERSION, _digest_of_code(), content, read_by, packages, *more])


@functools.cache
def _digest_of_code() -> str:
    """A digest of the data layer's code, which may differ between two installations of one version."""
    digest = hashlib.blake2b(digest_size=20)
    folder = Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
