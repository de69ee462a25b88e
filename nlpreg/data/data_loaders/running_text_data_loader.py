"""Running text for language models: streams of words that continue from batch to batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpreg.common.checks import ConfigurationError, ConfigurationValueError, check_at_least
from nlpreg.data.data_loaders.data_loader import DataLoader, TensorDict
from nlpreg.data.data_loaders.id_corpus_data_loader import IdCorpusDataLoader, rank_and_world_size
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, DatasetReaderInput
from nlpreg.data.id_corpus.indexed_lexicon import IndexedLexicon
from nlpreg.data.order import order_generator

TARGET_FIELD = "target"

WINDOWS_AT_ONCE = 64

# of the lengths of windows, in words: Merity et al. (2017), section 5, https://arxiv.org/abs/1708.02182
_CHANCE_OF_HALF = 0.05
_STANDARD_DEVIATION = 5.0
_SHORTEST = 5


def names_of_targets(lexicon: IndexedLexicon) -> list[str]:
    """The names of the indexers whose ids a language model can predict.

    Raises:
        ConfigurationError: there are none.
    """
    names = lexicon.names_of_single_ids
    if not names:
        raise ConfigurationError(
            "targets: expected a token indexer that gives an id for each word, such as single_id, got none; add one to "
            "token_indexers"
        )
    return names


@DataLoader.register("running_text")
class RunningTextDataLoader(IdCorpusDataLoader):
    """Cuts the text into parallel streams and yields windows of consecutive words, one row per stream.

    The text is the concatenation of all sentences of the reader (whose end tokens separate them). It is cut into
    `batch_size` streams of equal length for each process of a distributed training; row i of every batch is the next
    window of stream i. Every word is in exactly one batch, and the only padding is in the last batch, whose rows may differ by
    one word. No window is longer than `bptt`, except that with `bptt` 1 the last may have two words.

    There are two ways to predict the first word of a window from the word before it:

    - by default the windows overlap by one word, so that every word follows another one in some batch: for encoders without
      state between batches;
    - with `targets`, a second field has the next word for each word, and windows do not overlap: for encoders with
      `stateful`, which continue with the state of the previous batch.

    Batches follow the order of the text. A run resumes within an epoch without reading the text again.

    Args:
        reader: reads the text.
        data_path: what it reads.
        batch_size: number of streams.
        bptt: number of words of each stream in a batch, without the overlap.
        variable_bptt: whether that number varies: around `bptt`, and occasionally around half of it.
        overlap: number of words by which consecutive windows overlap; by default 1, or 0 with `targets`.
        targets: whether there is a field `target` with the word after each word (none at the end of the text), with the
            tensors of the indexers that give one id for each word.
        shuffle: whether each pass cuts the text at different positions, by omitting fewer than `bptt` of the first words.

    Raises:
        ValueError: a number is too small, or `targets` with an overlap.
        ConfigurationError: (with the first batch) there are fewer words than streams, or targets without an indexer for them;
            and as for `IdCorpusDataLoader`.
    """

    settings_of_order = ("batch_size", "bptt", "variable_bptt", "shuffle")

    def __init__(
        self,
        reader: DatasetReader,
        data_path: DatasetReaderInput,
        *,
        batch_size: int,
        bptt: int = 35,
        variable_bptt: bool = False,
        overlap: int | None = None,
        targets: bool = False,
        shuffle: bool = False,
        **kwargs: Any,
    ) -> None:
        self.check_arguments(batch_size, bptt, overlap, targets)
        super().__init__(reader, data_path, **kwargs)
        self.batch_size = batch_size
        self.bptt = bptt
        self.variable_bptt = variable_bptt
        self.overlap = overlap if overlap is not None else 0 if targets else 1
        self.targets = targets
        self.shuffle = shuffle

    @staticmethod
    def check_arguments(batch_size: int, bptt: int, overlap: int | None, targets: bool) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        check_at_least(1, batch_size=batch_size, bptt=bptt)
        check_at_least(0, overlap=overlap)
        if targets and overlap:
            raise ConfigurationValueError(f"overlap: expected 0 with targets, got {overlap}; leave it out")

    def __len__(self) -> int:
        """The number of batches of an epoch; of the current pass if its windows vary in length."""
        return self.batches_per_epoch or len(self._layout(self._position.data_pass).ends)

    def _batches_of_pass(self, data_pass: int, start: int) -> Iterator[TensorDict]:
        lexicon = self.lexicon
        names = names_of_targets(lexicon) if self.targets else []
        num_after = 1 if self.targets else self.overlap
        for rows, lengths in self._windows(self._layout(data_pass), start, num_after):
            if not self.targets:
                yield {self.text_field: lexicon.tensors(rows)}  # type: ignore[dict-item]  # a text nests one level deeper
                continue
            texts = [row[:length] for row, length in zip(rows, lengths, strict=True)]
            following = lexicon.tensors([row[1:] for row in rows], names)  # (batch, length)
            yield {self.text_field: lexicon.tensors(texts), TARGET_FIELD: following}  # type: ignore[dict-item]  # likewise

    def _windows(
        self, layout: "_Layout", start: int, num_after: int
    ) -> Iterator[tuple[list[NDArray[Any]], list[int]]]:
        """The numbers of the words of each batch from number `start` on, with some following words, one row per stream.

        Yields:
            The rows, and the length of each without the following words.
        """
        num_windows = len(layout.ends)
        for first in range(start, num_windows, WINDOWS_AT_ONCE):
            last = min(first + WINDOWS_AT_ONCE, num_windows)
            pieces = []
            for stream in range(layout.first_stream, layout.first_stream + self.batch_size):
                bounds = layout.bounds(stream, first, last)
                numbers = self.corpus.numbers(bounds[0], bounds[-1] + num_after)
                pieces.append((numbers, (bounds - bounds[0]).tolist()))
            for window in range(last - first):
                rows = [numbers[at[window] : at[window + 1] + num_after] for numbers, at in pieces]
                yield rows, [at[window + 1] - at[window] for _, at in pieces]

    def _layout(self, data_pass: int) -> "_Layout":
        """How a pass cuts the text into streams and windows; the same on every rank."""
        offset = 0
        if self.shuffle and self.bptt > 1:
            offset = int(order_generator(data_pass, 0, rank=0).integers(self.bptt))
        rank, world_size = rank_and_world_size()
        num_streams = self.batch_size * world_size
        # the remaining words make the first streams one word longer
        length, num_longer = divmod(max(0, self.corpus.num_words - offset), num_streams)
        if length == 0:
            raise ConfigurationError(
                f"{self.data_path}: expected at least as many words as streams ({num_streams}), got "
                f"{self.corpus.num_words}; make batch_size smaller"
            )
        ends = self._ends(length, data_pass)
        if num_longer and not self.variable_bptt and length % self.bptt == 0 and self.bptt > 1:
            # the last window is full, and longer streams have one more word: so there is another window
            ends = np.concatenate([ends[:-1], [length - 1, length]])
        return _Layout(offset, length, num_longer, rank * self.batch_size, ends)

    def _ends(self, length: int, data_pass: int) -> NDArray[np.int64]:
        """Where the windows of a stream end."""
        if not self.variable_bptt:
            return np.append(np.arange(self.bptt, length, self.bptt), length)
        generator = order_generator(data_pass, 1, rank=0)
        pieces = [np.zeros(1, np.int64)]
        while pieces[-1][-1] < length:
            middle = np.where(generator.random(1024) < _CHANCE_OF_HALF, self.bptt / 2, float(self.bptt))
            sizes = np.maximum(_SHORTEST, generator.normal(middle, _STANDARD_DEVIATION).astype(np.int64))
            pieces.append(pieces[-1][-1] + np.cumsum(sizes))
        ends = np.concatenate(pieces)[1:]
        return np.append(ends[ends < length], length)


@dataclass(frozen=True)
class _Layout:
    """How a pass cuts the text.

    Args:
        offset: number of omitted words at the beginning of the text.
        length: number of words of a stream.
        num_longer: how many of the first streams have one additional word.
        first_stream: number of the first stream of this process.
        ends: where the windows of a stream of that length end.
    """

    offset: int
    length: int
    num_longer: int
    first_stream: int
    ends: NDArray[np.int64]

    def bounds(self, stream: int, first: int, last: int) -> NDArray[np.int64]:
        """Positions in the text where the windows `first` to `last` of a stream begin, and where the last one ends."""
        # each longer stream before this one moves it by a word
        start = self.offset + stream * self.length + min(stream, self.num_longer)
        bounds = np.append(0 if first == 0 else self.ends[first - 1], self.ends[first:last]) + start
        if last == len(self.ends) and stream < self.num_longer:
            bounds[-1] += 1
        return bounds
