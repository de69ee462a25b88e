"""Sentences for language models, from corpora that need not fit into memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpreg.common.checks import ConfigurationValueError, check_at_least
from nlpreg.common.iteration import groups_of, groups_of_max_size, num_groups
from nlpreg.data.data_loaders.data_loader import DataLoader, TensorDict
from nlpreg.data.data_loaders.id_corpus_data_loader import IdCorpusDataLoader, rank_and_world_size
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, DatasetReaderInput
from nlpreg.data.order import order_generator

_DEFAULT_WINDOW = 65536


@DataLoader.register("text_lines")
class TextLinesDataLoader(IdCorpusDataLoader):
    """Batches of single texts, shuffled and sorted by length within windows of the corpus.

    Each process of a distributed training reads a contiguous share of the texts. A share is divided into windows; the order of
    the windows, and the order within each, are functions of the run's seed, the pass over the data and the rank. An epoch
    resumes without reading anything again.

    Args:
        reader: reads the texts.
        data_path: what it reads.
        batch_size: number of texts in a batch.
        max_tokens: instead of `batch_size`, the maximum size of a batch: its number of texts times the length of the
            longest. A longer text is a batch by itself.
        shuffle: whether the order is random.
        bucket: whether to batch texts of similar length together.
        padding_noise: with `bucket` and `shuffle`, the maximum fraction, from 0 to 1, by which a text's length is randomly changed
            for sorting.
        window_size: number of texts that are shuffled and sorted together.
        drop_last: whether to drop the last batch if it is smaller than `batch_size`.

    Raises:
        ValueError: neither or both of `batch_size` and `max_tokens`, or a number is too small.
        ConfigurationError: as for `IdCorpusDataLoader`.
    """

    settings_of_order = (
        "batch_size",
        "max_tokens",
        "shuffle",
        "bucket",
        "padding_noise",
        "window_size",
        "drop_last",
    )

    def __init__(
        self,
        reader: DatasetReader,
        data_path: DatasetReaderInput,
        *,
        batch_size: int | None = None,
        max_tokens: int | None = None,
        shuffle: bool = False,
        bucket: bool = False,
        padding_noise: float = 0.1,
        window_size: int = _DEFAULT_WINDOW,
        drop_last: bool = False,
        **kwargs: Any,
    ) -> None:
        self.check_arguments(batch_size, max_tokens, window_size)
        super().__init__(reader, data_path, **kwargs)
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.shuffle = shuffle
        self.bucket = bucket
        self.padding_noise = padding_noise if shuffle else 0.0
        # a multiple of the batch size, so that only the last window has a smaller batch
        self.window_size = (
            window_size if batch_size is None else batch_size * max(1, window_size // batch_size)
        )
        self.drop_last = drop_last
        self._length: tuple[int, int] | None = None  # (pass, number of batches)

    @staticmethod
    def check_arguments(
        batch_size: int | None, max_tokens: int | None, window_size: int = _DEFAULT_WINDOW
    ) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        if (batch_size is None) == (max_tokens is None):
            given = "neither" if batch_size is None else "both"
            raise ConfigurationValueError(
                f"expected either batch_size or max_tokens, got {given}; give one of them"
            )
        check_at_least(1, batch_size=batch_size, max_tokens=max_tokens, window_size=window_size)

    def __len__(self) -> int:
        """The number of batches of an epoch; of the current pass if batches differ in size."""
        if self.batches_per_epoch is not None:
            return self.batches_per_epoch
        data_pass = self._position.data_pass
        if self._length is None or self._length[0] != data_pass:
            windows = self._windows_of_share()
            self._length = data_pass, sum(self._num_batches(*window, data_pass) for window in windows)
        return self._length[1]

    def _batches_of_pass(self, data_pass: int, start: int) -> Iterator[TensorDict]:
        lexicon = self.lexicon
        windows = self._windows_of_share()
        if self.shuffle:
            order = order_generator(data_pass).permutation(len(windows)).tolist()
            # windows are shuffled, then the texts within each: only one window is in memory
            windows = [windows[number] for number in order]
        for first, last in windows:
            num_batches = self._num_batches(first, last, data_pass) if start else 0
            if num_batches <= start and start:
                start -= num_batches
                continue
            bounds = self.corpus.bounds(first, last)
            for batch in self._batches(np.diff(bounds), first, data_pass)[start:]:
                rows = [self.corpus.numbers(bounds[text], bounds[text + 1]) for text in batch]
                yield {self.text_field: lexicon.tensors(rows)}  # type: ignore[dict-item]  # a text nests one level deeper
            start = 0

    def _windows_of_share(self) -> list[tuple[int, int]]:
        """The first text, and the one after the last, of each window of this process."""
        (rank, world_size), num_texts = rank_and_world_size(), self.corpus.num_texts
        start, stop = num_texts * rank // world_size, num_texts * (rank + 1) // world_size
        return [
            (first, min(first + self.window_size, stop)) for first in range(start, stop, self.window_size)
        ]

    def _num_batches(self, first: int, last: int, data_pass: int) -> int:
        """The number of batches of a window, from the lengths of its texts alone."""
        if self.batch_size is not None:
            return num_groups(last - first, self.batch_size, self.drop_last)
        return len(self._batches(np.diff(self.corpus.bounds(first, last)), first, data_pass))

    def _batches(self, lengths: NDArray[np.int64], first: int, data_pass: int) -> list[list[int]]:
        """The numbers, within the window, of the texts of each batch.

        Args:
            lengths: number of words of each text.
            first: number of the first text of the window, which seeds its order.
            data_pass: number of the pass over the data.
        """
        generator = order_generator(data_pass, 1, first)
        order = generator.permutation(len(lengths)) if self.shuffle else np.arange(len(lengths))
        if self.bucket:
            # so that texts of similar length are not always in the same batch
            noise = generator.uniform(1 - self.padding_noise, 1 + self.padding_noise, len(lengths))
            order = order[np.argsort(lengths[order] * noise, kind="stable")]
        batches = self._cut(order.tolist(), lengths)
        if self.shuffle and self.bucket:
            batches = [batches[number] for number in generator.permutation(len(batches)).tolist()]
        return batches

    def _cut(self, order: list[int], lengths: NDArray[np.int64]) -> list[list[int]]:
        """Split the ordered texts into batches."""
        if self.batch_size is not None:
            return list(groups_of(order, self.batch_size, self.drop_last))
        assert self.max_tokens is not None
        return list(groups_of_max_size(order, lengths[order].tolist(), self.max_tokens))
