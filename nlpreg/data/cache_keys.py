"""What caches of read data are known by, so that nothing is taken for what it is not."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from nlpreg.common.fingerprint import fingerprint, fingerprint_of_file
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataFile
from nlpreg.version import VERSION

NO_CACHE_VARIABLE = "NLPREG_NO_CACHE"
"""Environment variable: if it is set to anything, nothing that was read is kept for later runs, or looked for."""

NOT_OF_INTEREST = ("_token_indexers", "_worker_info", "_distributed_info", "serialization_dir")
"""Attributes of readers that have no say in what is read."""

# packages that tokenizers rely on
_TOKENIZER_PACKAGES = ("spacy", "tokenizers", "transformers")


def cache_is_off() -> bool:
    """Whether the user wants no caches of read data."""
    return bool(os.environ.get(NO_CACHE_VARIABLE))


def key_of_data(reader: DatasetReader, files: Sequence[DataFile], *more: Any) -> str:
    """A name for what a reader finds: another one if files, reader, tokenizer or code change.

    Args:
        reader: its arguments, its class and the classes of what it consists of count; its token indexers do not.
        files: their content counts, and not where they are.
        more: further plain values.

    Raises:
        NoFingerprintError: the reader holds something of which nobody can tell whether it is the same next time.
        OSError: a file cannot be read.
    """
    content = [(fingerprint_of_file(file.path), file.suffix) for file in files]
    read_by = fingerprint(reader, leave_out=NOT_OF_INTEREST)
    packages = {name: _version(name) for name in _TOKENIZER_PACKAGES}
    return fingerprint([VERSION, _digest_of_code(), content, read_by, packages, *more])


@functools.cache
def _digest_of_code() -> str:
    """A digest of the data layer's code, which may differ between two installations of one version."""
    digest = hashlib.blake2b(digest_size=20)
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
