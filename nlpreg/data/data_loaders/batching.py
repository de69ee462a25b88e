"""Which instances make a batch, for instances in memory and for streams of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from nlpreg.common.util import lazy_groups_of

T = TypeVar("T")

_PLACES_AT_ONCE = 4096


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


def shuffled_stream(
    items_from: Callable[[int], Iterator[T]],
    pool_size: int,
    generator: np.random.Generator,
    drawn: int = 0,
    read: int = 0,
) -> Iterator[tuple[T, int]]:
    """Items in an order that is random within a moving pool of `pool_size` of them.

    Each item takes a random place in the pool; the one that was there comes next. When there are no more, the
    rest of the pool comes in random order. Which numbers are in the pool thus follows from how many were read.

    Args:
        items_from: gives the items from a number on.
        pool_size: how many are held.
        generator: draws the order.
        drawn: leave out so many of the result, and hold only those before that are still needed.
        read: how many items had been read for them.

    Yields:
        An item, and how many items have been read by then.
    """
    end_generator = np.random.default_rng(int(generator.integers(2**63)))
    places = _places(pool_size, generator)
    replaced = max(0, read - pool_size)
    numbers = np.arange(min(read, pool_size))
    # of items at the same place the last one stays
    numbers[np.fromiter(islice(places, replaced), np.int64, replaced)] = pool_size + np.arange(replaced)
    first = int(numbers.min(initial=read))
    items = items_from(first)
    place_of = {number: place for place, number in enumerate(numbers.tolist())}
    held = {place_of[n]: item for n, item in zip(range(first, read), items, strict=False) if n in place_of}
    pool = [held[place] for place in range(len(held))]
    if not read:
        pool = list(islice(items, pool_size))
        read = len(pool)
    for item, place in zip(items, places, strict=False):
        out, pool[place] = pool[place], item
        read += 1
        yield out, read
    for place in end_generator.permutation(len(pool)).tolist()[drawn - replaced :]:
        yield pool[place], read


def _places(pool_size: int, generator: np.random.Generator) -> Iterator[int]:
    """Random places in a pool, for ever."""
    while True:
        yield from generator.integers(pool_size, size=_PLACES_AT_ONCE).tolist()


def pick(instances: Sequence[T], indices: Sequence[int]) -> list[T]:
    """The items with these indices."""
    return [instances[index] for index in indices]
