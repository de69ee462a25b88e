"""Which instances make a batch, for instances in memory and for streams of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from nlpreg.common.util import lazy_groups_of

T = TypeVar("T")


def batch_indices(
    num_instances: int, batch_size: int, generator: np.random.Generator | None, drop_last: bool = False
) -> list[list[int]]:
    """The indices of the instances of each batch.

    Args:
        num_instances: how many instances there are.
        batch_size: how many go into a batch.
        generator: draws the order; None to keep it.
        drop_last: whether to leave out the last batch where it is smaller.
    """
    order: list[int] = (
        list(range(num_instances)) if generator is None else generator.permutation(num_instances).tolist()
    )
    end = num_instances - num_instances % batch_size if drop_last else num_instances
    return [order[start : start + batch_size] for start in range(0, end, batch_size)]


def groups_of(items: Iterator[T], size: int, drop_last: bool) -> Iterator[list[T]]:
    """Groups of `size` items; the last one may be smaller, or is left out."""
    for group in lazy_groups_of(items, size):
        if len(group) == size or not drop_last:
            yield group


def shuffled_stream(items: Iterator[T], pool_size: int, generator: np.random.Generator) -> Iterator[T]:
    """The items in an order that is random within a moving pool of `pool_size` of them."""
    pool = list(islice(items, pool_size))
    for item in items:
        at = int(generator.integers(len(pool)))
        yield pool[at]
        pool[at] = item
    yield from (pool[at] for at in generator.permutation(len(pool)).tolist())


def pick(instances: Sequence[T], indices: Sequence[int]) -> list[T]:
    """The items with these indices."""
    return [instances[index] for index in indices]
