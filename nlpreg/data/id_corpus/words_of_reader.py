"""The words of the texts that a reader finds, by this process or by several."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.util import lazy_groups_of
from nlpreg.data.columns import WordColumn
from nlpreg.data.data_loaders.worker_pool import WorkerPool
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataFile
from nlpreg.data.fields.metadata_field import MetadataField
from nlpreg.data.fields.text_field import TextField
from nlpreg.data.instance import Instance
from nlpreg.data.whole_list import speaks_for

BYTES_WORTH_PROCESSES = 1 << 26
MOST_PROCESSES = 4
UNITS_AT_ONCE = 1 << 14

_WAYS_OF_READING = ("read", "_read", "_read_as", "_instance_of", "text_to_instance")


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


def texts_of_reader(reader: DatasetReader, data_path: Any, text_field: str) -> Iterator[Sequence[str]]:
    """The words of each text; without instances, if the reader can do so and no subclass has changed what it reads."""
    with _alone(reader):
        if speaks_for(type(reader), "read_words", *_WAYS_OF_READING):
            read_words: Callable[[Any], Iterator[list[str]]] = getattr(reader, "read_words")  # noqa: B009 - few have it
            yield from read_words(data_path)
        else:
            yield from (_words(instance, text_field) for instance in reader.read(data_path))


def number_of_processes(reader: DatasetReader, files: Sequence[DataFile]) -> int:
    """How many processes are worth their while for `columns_of_reader`; 1 if it cannot be used."""
    if not speaks_for(type(reader), "words_of", "units", "_find_files", "_made_of", *_WAYS_OF_READING):
        return 1
    is_free = sys.platform == "linux" and not multiprocessing.current_process().daemon
    size = sum(os.path.getsize(file.path) for file in files)
    can_divide: Callable[[], bool] = getattr(reader, "can_divide_words")  # noqa: B009 - comes with words_of
    if not is_free or size < BYTES_WORTH_PROCESSES or not can_divide():
        return 1
    return min(MOST_PROCESSES, len(os.sched_getaffinity(0)))


def columns_of_reader(
    reader: Any, files: Sequence[DataFile], num_processes: int
) -> Generator[WordColumn, None, None]:
    """The words of the same texts, some thousand in a column, made by several processes and given in order.

    Each process looks for all lines, and splits and numbers its share of them.

    Raises:
        WorkerError: a process raised, or died.
    """

    def columns(process: int) -> Iterator[WordColumn]:
        groups: Iterable[Any] = lazy_groups_of(reader.units(files), UNITS_AT_ONCE)
        for units in islice(groups, process, None, num_processes):
            yield WordColumn(list(reader.words_of(units, files)))

    with _alone(reader), WorkerPool(columns, num_processes, items_ahead=2) as pool:
        for _, column in pool.receive_in_turn([0] * num_processes):
            yield column


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
