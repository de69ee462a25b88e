"""A small file of tagged sentences, a reader of it, and its vocabulary."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from nlpreg.data import DatasetReader, Instance, Vocabulary
from nlpreg.data.data_loaders import MultiProcessDataLoader, multiprocess_data_loader
from nlpreg.data.dataset_readers import SequenceTaggingDatasetReader
from nlpreg.data.fields import MetadataField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer

NUM_SENTENCES = 23


class NumberedReader(DatasetReader):
    """Makes one instance for each number below its path, of a length that goes up and down."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs)
        self.indexers = {"tokens": SingleIdTokenIndexer()}

    def _read(self, file_path: str) -> Iterable[Instance]:
        for number in self.shard_iterable(range(int(file_path))):
            yield self.text_to_instance(number)

    def text_to_instance(self, number: int) -> Instance:
        text = TextField.from_words([f"w{number % 5}"] * (1 + number * 7 % 11))
        return Instance({"text": text, "number": MetadataField(number)})

    def apply_token_indexers(self, instance: Instance) -> None:
        instance["text"].token_indexers = self.indexers


def numbers_of(batches: Iterable[dict[str, Any]]) -> list[list[int]]:
    """The numbers of the instances in each batch."""
    return [list(batch["number"]) for batch in batches]


@pytest.fixture
def reader() -> NumberedReader:
    return NumberedReader()


@pytest.fixture
def number_vocab() -> Vocabulary:
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace([f"w{number}" for number in range(5)])
    return vocab


@pytest.fixture
def sentences(tmp_path: Path) -> str:
    """The path of a file of tagged sentences."""
    path = tmp_path / "sentences.txt"
    lines = [" ".join(f"w{n}-{i}###T{i % 3}" for i in range(1 + n % 6)) for n in range(NUM_SENTENCES)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture
def tagging_reader() -> SequenceTaggingDatasetReader:
    return SequenceTaggingDatasetReader()


@pytest.fixture
def make(reader: Any, number_vocab: Vocabulary) -> Callable[..., MultiProcessDataLoader]:
    """Makes a loader of the numbers below 23, indexed."""

    def make(count: int = 23, reader: Any = reader, **arguments: Any) -> MultiProcessDataLoader:
        if not {"batch_size", "batch_sampler"} & set(arguments):
            arguments["batch_size"] = 3
        loader = MultiProcessDataLoader(reader, str(count), quiet=True, **arguments)
        loader.index_with(number_vocab)
        return loader

    return make


@pytest.fixture
def workers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker of a stream make all batches but the first, however few there are."""
    monkeypatch.setattr(multiprocess_data_loader, "_SECONDS_TO_MAKE_HERE", 0.0)
    monkeypatch.setattr(multiprocess_data_loader, "_is_worker_faster", lambda making, using: True)
    monkeypatch.setattr(multiprocess_data_loader, "_SECONDS_TO_START", {})
    monkeypatch.setattr(multiprocess_data_loader, "_SECONDS_TO_START_ANEW", 0.0)
