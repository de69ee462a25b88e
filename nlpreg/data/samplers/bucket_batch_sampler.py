"""Batches of instances of similar length."""

import logging
from collections.abc import Iterable, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from nlpreg.common.checks import ConfigurationError, PositiveInt, Range, check_at_least
from nlpreg.common.iteration import groups_of, num_groups
from nlpreg.data.fields.metadata_field import MetadataField
from nlpreg.data.instance import Instance
from nlpreg.data.samplers.batch_sampler import BatchSampler

logger = logging.getLogger(__name__)

_INSTANCES_TO_LOOK_AT = 10


@BatchSampler.register("bucket")
class BucketBatchSampler(BatchSampler):
    """Makes batches of instances of similar length, so that there is little padding.

    The instances are sorted by length and cut into batches, and the batches are shuffled.

    Args:
        batch_size: number of instances in a batch.
        sorting_keys: names of the fields whose lengths to sort by, the most important first. By default the field that is
            longest in the first instances; the choice is stored in the attribute.
        padding_noise: the maximum fraction, from 0 to 1, by which an instance's length is randomly changed for sorting, so
            that batches differ between epochs.
        drop_last: whether to drop the last batch if it is smaller.
        shuffle: whether to shuffle the batches. If false, there is no noise either, and the order is always the same.
        max_instances_in_memory: accepted for old configs; it has no effect.

    Raises:
        ConfigurationError: a number is too small; or, when called, a sorting key is not a field of an instance.
        AssertionError: no sorting keys are given, and no field has a length.
    """

    def __init__(
        self,
        batch_size: PositiveInt,
        sorting_keys: list[str] | None = None,
        padding_noise: Annotated[float, Range(0)] = 0.1,
        drop_last: bool = False,
        shuffle: bool = True,
        max_instances_in_memory: int | None = None,
    ) -> None:
        if max_instances_in_memory is not None:
            logger.warning(
                "batch_sampler.max_instances_in_memory has no effect; it is an argument of the data loader"
            )
        check_at_least(1, batch_size=batch_size)
        check_at_least(0, padding_noise=padding_noise)
        self.sorting_keys = sorting_keys
        self.padding_noise = padding_noise if shuffle else 0.0
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.shuffle = shuffle

    def get_batch_indices(self, instances: Sequence[Instance]) -> Iterable[list[int]]:
        """Batches of `batch_size`, the last one smaller."""
        order, _ = self._argsort_by_padding(instances)
        batches = list(groups_of(order, self.batch_size, self.drop_last))
        return self._shuffled(batches) if self.shuffle else batches

    def get_num_batches(self, instances: Sequence[Instance]) -> int:
        """The number of batches of `batch_size`."""
        return num_groups(len(instances), self.batch_size, self.drop_last)

    def get_batch_size(self) -> int | None:
        """`batch_size`; the last batch may be smaller."""
        return self.batch_size

    def _argsort_by_padding(self, instances: Sequence[Instance]) -> tuple[list[int], NDArray[np.int64]]:
        """The indices of the instances sorted by length with noise, and the lengths without noise.

        Returns:
            The order, and an unsorted array `(number of keys, number of instances)`.
        """
        if not instances:
            return [], np.zeros((len(self.sorting_keys or [""]), 0), np.int64)
        if not self.sorting_keys:
            self._guess_sorting_keys(instances)
            logger.info("sorting by the lengths of %s, which is the longest field", self.sorting_keys)
        lengths = np.array(
            [self._lengths(instances, key) for key in self.sorting_keys or ()]
        )  # (keys, instances)
        noisy = lengths.astype(np.float64)
        if self.padding_noise:
            noisy *= 1 + self.generator.uniform(-self.padding_noise, self.padding_noise, lengths.shape)
        # lexsort takes the most important key last
        order: list[int] = np.lexsort(noisy[::-1]).tolist()
        return order, lengths

    def _shuffled(self, batches: list[list[int]]) -> list[list[int]]:
        """The same batches in random order."""
        return [batches[i] for i in self.generator.permutation(len(batches)).tolist()]

    @staticmethod
    def _lengths(instances: Sequence[Instance], key: str) -> NDArray[np.int64]:
        """The length of one field of each instance."""
        try:
            return np.fromiter(
                (len(instance.fields[key]) for instance in instances), np.int64, len(instances)
            )
        except KeyError:
            fields = next(sorted(instance.fields) for instance in instances if key not in instance.fields)
            raise ConfigurationError(
                f"sorting_keys: expected names of fields, got {key!r}, but an instance has only {fields}"
            ) from None

    def _guess_sorting_keys(
        self, instances: Sequence[Instance], num_instances: int = _INSTANCES_TO_LOOK_AT
    ) -> None:
        """Choose the field that is longest in the first instances as the sorting key; subclasses may override this."""
        longest_name, longest = "", 0
        for instance in instances[:num_instances]:
            for name, field in instance.fields.items():
                length = _length_or_zero(field)
                if length > longest:
                    longest_name, longest = name, length
        assert longest_name, (
            "BucketBatchSampler: no field of the first instances has a length above 0, so there is nothing to sort by; "
            "give sorting_keys, or a batch_size to the data loader in place of this sampler"
        )
        self.sorting_keys = [longest_name]


def _length_or_zero(field: object) -> int:
    """The length of a field; 0 if it has none, or is not padded."""
    if isinstance(field, MetadataField):
        return 0
    try:
        return len(field)  # type: ignore[arg-type]  # not every field has a length
    except (TypeError, NotImplementedError):
        return 0
