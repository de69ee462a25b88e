"""Blocks of running text in random order, for language models that keep no state between batches."""

from collections.abc import Iterator
from typing import Any

from nlpreg.common.checks import ConfigurationError, PositiveInt, check_at_least
from nlpreg.data.data_loaders.data_loader import DataLoader, TensorDict
from nlpreg.data.data_loaders.id_corpus_data_loader import IdCorpusDataLoader, rank_and_world_size
from nlpreg.data.data_loaders.running_text_data_loader import TARGET_FIELD, names_of_targets
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, DatasetReaderInput
from nlpreg.data.order import order_generator


@DataLoader.register("text_blocks")
class TextBlocksDataLoader(IdCorpusDataLoader):
    """Cuts the text into blocks of equal length and yields them in random order, each once in a pass over the data.

    The text is the concatenation of all sentences of the reader. Every pass cuts it at different positions. The rows of a
    batch come from anywhere in the text, so that batches are less correlated than those of `running_text`, whose rows
    continue from batch to batch. Encoders that are `stateful` need `running_text`; for others, such as transformers, training
    on blocks in random order works better.

    The field `target` has the next word for each word, also for the last word of a block. Every batch is full: the rest of a
    pass, less than a batch, is dropped. For validation, use `running_text`, which drops nothing.

    Args:
        reader: reads the text.
        data_path: what it reads.
        batch_size: number of blocks in a batch, for each process of a distributed training.
        block_size: number of words in a block.

    Raises:
        ValueError: a number is too small.
        ConfigurationError: (with the first batch) the text has fewer blocks than a batch, or there is no indexer that gives
            an id for each word; and as for `IdCorpusDataLoader`.
    """

    settings_of_order = ("batch_size", "block_size")

    def __init__(
        self,
        reader: DatasetReader,
        data_path: DatasetReaderInput,
        *,
        batch_size: PositiveInt,
        block_size: PositiveInt,
        **kwargs: Any,
    ) -> None:
        check_at_least(1, batch_size=batch_size, block_size=block_size)
        super().__init__(reader, data_path, **kwargs)
        self.batch_size = batch_size
        self.block_size = block_size

    def __len__(self) -> int:
        """The number of batches of an epoch; of the current pass, unless `batches_per_epoch` is given."""
        return self.batches_per_epoch or self._num_batches(self._offset(self._position.data_pass))

    def _batches_of_pass(self, data_pass: int, start: int) -> Iterator[TensorDict]:
        names = names_of_targets(self.lexicon)
        offset = self._offset(data_pass)
        num_batches = self._num_batches(offset)
        rank, world_size = rank_and_world_size()
        # All ranks draw the same order; each takes its own rows of every batch.
        order = order_generator(data_pass, 1, rank=0).permutation(self._num_blocks(offset))
        for batch in range(start, num_batches):
            first = (batch * world_size + rank) * self.batch_size
            starts = order[first : first + self.batch_size] * self.block_size + offset
            rows = [self.corpus.numbers(at, at + self.block_size + 1) for at in starts.tolist()]
            source = self.lexicon.tensors([row[:-1] for row in rows])
            target = self.lexicon.tensors([row[1:] for row in rows], names)
            yield {self.text_field: source, TARGET_FIELD: target}  # type: ignore[dict-item]  # a text nests one level deeper

    def _offset(self, data_pass: int) -> int:
        """Number of words at the beginning of the text that a pass omits, fewer than a block.

        Raises:
            ConfigurationError: the text is too short for a batch.
        """
        num_blocks = self.batch_size * rank_and_world_size()[1]
        # The last word of the last block needs a word after it.
        num_to_spare = self.corpus.num_words - 1 - num_blocks * self.block_size
        if num_to_spare < 0:
            raise ConfigurationError(
                f"{self.data_path}: expected at least {num_blocks * self.block_size + 1} words, for a batch of {num_blocks} "
                f"blocks of {self.block_size}, got {self.corpus.num_words}; make batch_size or block_size smaller"
            )
        return int(order_generator(data_pass, 0, rank=0).integers(min(self.block_size, num_to_spare + 1)))

    def _num_blocks(self, offset: int) -> int:
        return (self.corpus.num_words - 1 - offset) // self.block_size

    def _num_batches(self, offset: int) -> int:
        return self._num_blocks(offset) // (self.batch_size * rank_and_world_size()[1])
