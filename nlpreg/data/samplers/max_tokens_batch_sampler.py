"""Batches of a limited number of tokens."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from nlpreg.common.checks import check_at_least
from nlpreg.common.iteration import groups_of_max_size
from nlpreg.data.instance import Instance
from nlpreg.data.samplers.batch_sampler import BatchSampler
from nlpreg.data.samplers.bucket_batch_sampler import BucketBatchSampler

T = TypeVar("T")

logger = logging.getLogger(__name__)


@BatchSampler.register("max_tokens_sampler")
class MaxTokensBatchSampler(BucketBatchSampler):
    """Makes batches of instances of similar length, each of a limited number of tokens.

    Batches of short instances are then larger, and all cost about as much memory. The batches come in random
    order.

    Args:
        max_tokens: maximum of the length of the longest instance of a batch times the number of its instances. A longer
            instance is a batch by itself, with a warning.
        sorting_keys: as in the bucket sampler; the length of an instance is that of the longest of these fields.
        padding_noise: as in the bucket sampler.
    """

    def __init__(
        self, max_tokens: int, sorting_keys: list[str] | None = None, padding_noise: float = 0.1
    ) -> None:
        check_at_least(1, max_tokens=max_tokens)
        super().__init__(1, sorting_keys, padding_noise, drop_last=False)
        self.max_tokens = max_tokens

    def get_batch_indices(self, instances: Sequence[Instance]) -> Iterable[list[int]]:
        """Batches of at most `max_tokens`."""
        return self._shuffled(self._fill(instances))

    def get_num_batches(self, instances: Sequence[Instance]) -> int:
        """The number of batches, which requires making them."""
        return len(self._fill(instances))

    def get_batch_size(self) -> int | None:
        """None: it varies."""
        return None

    def _fill(self, instances: Sequence[Instance]) -> list[list[int]]:
        """The batches, ordered by length."""
        order, lengths = self._argsort_by_padding(instances)
        sizes = lengths.max(axis=0).tolist()
        return list(self._lazy_groups_of_max_size(order, [sizes[index] for index in order]))

    def _lazy_groups_of_max_size(self, iterable: Iterable[T], sizes: Iterable[int]) -> Iterator[list[T]]:
        """Items in groups of at most `max_tokens`: the size of the largest, times their number. For subclasses to override.

        Args:
            iterable: the items.
            sizes: the size of each.
        """
        sizes = list(sizes)
        for size in sizes:
            if size > self.max_tokens:
                logger.warning(
                    "an instance of length %d is longer than max_tokens (%d) and is a batch by itself",
                    size,
                    self.max_tokens,
                )
        return groups_of_max_size(iterable, sizes, self.max_tokens)
