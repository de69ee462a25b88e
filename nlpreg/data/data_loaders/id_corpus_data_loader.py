"""The base class of loaders of corpora on disk."""

import functools
import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
import torch.distributed as dist

from nlpreg.common.checks import ConfigurationError, PositiveInt
from nlpreg.common.config.untrusted import check_resource
from nlpreg.common.util import is_distributed
from nlpreg.data.data_loaders.data_loader import ResumableDataLoader, TensorDict
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, DatasetReaderInput
from nlpreg.data.id_corpus import IdCorpus, id_corpus_of, text_field_of_reader
from nlpreg.data.id_corpus.indexed_lexicon import CountedWordsField, IndexedLexicon
from nlpreg.data.instance import Instance
from nlpreg.data.order import current_rank
from nlpreg.data.vocabulary import Vocabulary


def rank_and_world_size() -> tuple[int, int]:
    """The rank of this process and the number of processes of the run."""
    return current_rank(), dist.get_world_size() if is_distributed() else 1


class IdCorpusDataLoader(ResumableDataLoader):
    """Reads the words of a data set once, numbers them in a file, and makes batches from the file.

    The file is kept for later runs. Memory grows only with the number of distinct words. The
    instances of the reader must have exactly one text field; batches have that field and no other.

    Args:
        reader: reads the texts.
        data_path: what it reads.
        batches_per_epoch: number of batches of an epoch, in place of one pass over the data.
        cache: whether to reuse the file of an earlier run, and to keep a new one.
        cache_dir: folder for such files; by default a sub-folder of `~/.nlpreg`.
        cuda_device: device to put batches on.

    Raises:
        ConfigurationError: the instances are not single texts; an indexer needs more than words.
    """

    settings_of_order: ClassVar[tuple[str, ...]] = ()
    """Attributes that determine, together with the text, which batch a position refers to."""

    def __init__(
        self,
        reader: DatasetReader,
        data_path: DatasetReaderInput,
        batches_per_epoch: PositiveInt | None = None,
        cache: bool = True,
        cache_dir: str | os.PathLike[str] | None = None,
        cuda_device: int | str | torch.device | None = None,
    ) -> None:
        super().__init__(batches_per_epoch, cuda_device)
        self.reader = reader
        self.data_path = data_path
        self.cache = cache
        if cache_dir is not None:
            check_resource(cache_dir)  # files are written there
        self.cache_dir = cache_dir
        self.text_field, field = text_field_of_reader(reader, data_path)
        self._token_indexers = field.token_indexers
        self._lexicon: IndexedLexicon | None = None

    @functools.cached_property
    def corpus(self) -> IdCorpus:
        """The file; it is made on first access."""
        corpus = id_corpus_of(self.reader, self.data_path, self.text_field, self.cache, self.cache_dir)
        if not corpus.num_words:
            raise ConfigurationError(f"{self.data_path}: {type(self.reader).__name__} found no words there")
        return corpus

    @property
    def lexicon(self) -> IndexedLexicon:
        """Makes tensors of the numbers of words.

        Raises:
            ValueError: there is no vocabulary yet.
        """
        if self._lexicon is None:
            raise ValueError(f"{type(self).__name__}: call index_with(vocab) before iterating")
        return self._lexicon

    def iter_instances(self) -> Iterator[Instance]:
        """A single instance with every word and its count, for the vocabulary."""
        counts = dict(zip(self.corpus.words, self.corpus.counts.tolist(), strict=True))
        yield Instance({self.text_field: CountedWordsField(counts, self._token_indexers)})

    def sample_instances(self, number: int) -> list[Instance]:
        """The instance with all words, see `iter_instances`."""
        return list(self.iter_instances())

    def sample_batch(self) -> TensorDict | None:
        """The first batch of a pass."""
        return None if self._lexicon is None else next(self._batches_of_pass(0, 0), None)

    def state_dict(self) -> dict[str, Any]:
        """The current `Position`, and a description of the data and settings that it depends on."""
        return {**super().state_dict(), **self._basis}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume the epoch at the position of the state in the next iteration.

        Raises:
            ConfigurationError: the state is in the middle of a pass over other text, or with other settings or another number of
                processes.
        """
        if state.get("pass_batches", state["batches"]):
            for name, now in self._basis.items():
                if state.get(name, now) != now:
                    raise ConfigurationError(
                        f"{self.data_path}: expected the same {name} to resume within a pass over the data, {state[name]!r}, "
                        f"got {now!r}; restore it, or start a new run"
                    )
        super().load_state_dict(state)

    @functools.cached_property
    def _basis(self) -> dict[str, Any]:
        """Everything except the seed that determines which batch a position refers to."""
        settings = {name: getattr(self, name) for name in self.settings_of_order}
        return {"text": self.corpus.meta.digest, "world_size": rank_and_world_size()[1], **settings}

    def index_with(self, vocab: Vocabulary) -> None:
        """Look up every distinct word."""
        self._lexicon = IndexedLexicon(self.corpus, self._token_indexers, vocab)
