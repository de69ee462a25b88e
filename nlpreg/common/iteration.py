"""Helpers for iterators and sequences: grouping, padding, shuffling, views."""

import hashlib
import pickle
import random
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Any, TypeVar, overload

from nlpreg.common.checks import check_at_least

A = TypeVar("A")
T = TypeVar("T")


def group_by_count(iterable: Iterable[Any], count: int, default_value: Any) -> list[list[Any]]:
    """Split into groups of exactly `count` items; the last one is padded with `default_value`."""
    groups = list(lazy_groups_of(iterable, count))
    if groups:
        groups[-1] += [default_value] * (count - len(groups[-1]))
    return groups


def lazy_groups_of(iterable: Iterable[A], group_size: int) -> Iterator[list[A]]:
    """Iterate over groups of `group_size` items, made on demand; the last one may be shorter.

    Raises:
        ValueError: `group_size` below 1, with which items would be lost.
    """
    check_at_least(1, group_size=group_size)
    items = iter(iterable)
    while group := list(islice(items, group_size)):
        yield group


def groups_of(iterable: Iterable[A], size: int, drop_last: bool) -> Iterator[list[A]]:
    """Groups of `size` items; the last one may be smaller, or is dropped."""
    for group in lazy_groups_of(iterable, size):
        if len(group) == size or not drop_last:
            yield group


def num_groups(num_items: int, size: int, drop_last: bool = False) -> int:
    """The number of groups that `groups_of` makes of this many items."""
    return num_items // size if drop_last else -(-num_items // size)


def groups_of_max_size(items: Iterable[A], sizes: Iterable[int], max_size: int) -> Iterator[list[A]]:
    """Consecutive items in groups whose padded size, their number times the largest, is at most `max_size`.

    Args:
        items: the items.
        sizes: the size of each; a larger one is a group by itself.
        max_size: of a group.
    """
    group: list[A] = []
    longest = 0
    for item, size in zip(items, sizes, strict=False):
        longest = max(longest, size)
        if group and longest * (len(group) + 1) > max_size:
            yield group
            group, longest = [], size
        group.append(item)
    if group:
        yield group


def pad_sequence_to_length(
    sequence: Sequence[Any],
    desired_length: int,
    default_value: Callable[[], Any] = lambda: 0,
    padding_on_right: bool = True,
) -> list[Any]:
    """Pad or truncate a sequence to a list of exactly `desired_length` items.

    Args:
        sequence: any sequence.
        desired_length: number of items wanted.
        default_value: makes one padding item.
        padding_on_right: whether padding comes after the items, and the first ones are kept; else padding comes before
            them, and the last ones are kept.
    """
    missing = max(0, desired_length - len(sequence))
    padding = [default_value() for _ in range(missing)]
    if padding_on_right:
        return [*sequence[:desired_length], *padding]
    kept = sequence[len(sequence) - desired_length :] if not missing else sequence
    return [*padding, *kept]


def add_noise_to_dict_values(dictionary: dict[A, float], noise_param: float) -> dict[A, float]:
    """Multiply each value by a random factor between 1 - `noise_param` and 1 + `noise_param`."""
    return {key: value + random.uniform(-1, 1) * value * noise_param for key, value in dictionary.items()}


def namespace_match(pattern: str, namespace: str) -> bool:
    """Whether `namespace` is `pattern`, or ends in what follows its leading `*`."""
    if pattern.startswith("*"):
        return namespace.endswith(pattern[1:])
    return pattern == namespace


def ensure_list(iterable: Iterable[A]) -> list[A]:
    """The same object if it is a list, else a list of its items."""
    return iterable if isinstance(iterable, list) else list(iterable)


def is_lazy(iterable: Iterable[A]) -> bool:
    """Whether `iterable` is something other than a list."""
    return not isinstance(iterable, list)


def shuffle_iterable(i: Iterable[T], pool_size: int = 1024, rng: random.Random | None = None) -> Iterator[T]:
    """Shuffle a stream approximately, with a buffer of `pool_size` items.

    Args:
        i: the items; at most `pool_size` of them are in memory at a time.
        pool_size: size of the shuffle buffer.
        rng: random number generator; defaults to the global one.
    """
    generator = rng or random
    items = iter(i)
    pool = list(islice(items, pool_size))
    # each new item replaces the one that is drawn
    for item in items:
        at = generator.randrange(len(pool))
        yield pool[at]
        pool[at] = item
    generator.shuffle(pool)
    yield from pool


def cycle_iterator_function(iterator_function: Callable[[], Iterable[T]]) -> Iterator[T]:
    """Iterate over `iterator_function()` forever, calling it again at the end; nothing is stored.

    Raises:
        ValueError: a call returned no item, so the loop would never end.
    """
    while True:
        empty = True
        for item in iterator_function():
            empty = False
            yield item
        if empty:
            raise ValueError("cannot cycle over an iterable without items: expected at least one")


def in_turn(iterables: Iterable[Iterable[T]]) -> Iterator[T]:
    """An item of each iterable in turn; exhausted iterables are left out."""
    waiting = [iter(items) for items in iterables]
    while waiting:
        left = []
        for items in waiting:
            for item in islice(items, 1):
                yield item
                left.append(items)
        waiting = left


def hash_object(o: Any) -> str:
    """A digest of an object's content, the same in every process for plain values: a key for caches."""
    return hashlib.blake2b(pickle.dumps(o, protocol=5), digest_size=20).hexdigest()


class ShuffledSequence(Sequence[T]):
    """A view of a sequence in another order.

    Args:
        inner_sequence: the underlying sequence.
        indices: index in `inner_sequence` of each item; by default a random permutation.
    """

    def __init__(self, inner_sequence: Sequence[T], indices: Sequence[int] | None = None) -> None:
        self.inner = inner_sequence
        if indices is None:
            order = list(range(len(inner_sequence)))
            random.shuffle(order)
            indices = order
        # may be a `range`, so that slicing a long sequence is cheap
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, i: int) -> T: ...
    @overload
    def __getitem__(self, i: slice) -> "ShuffledSequence[T]": ...
    def __getitem__(self, i: int | slice) -> "T | ShuffledSequence[T]":
        if isinstance(i, slice):
            return ShuffledSequence(self.inner, self.indices[i])
        return self.inner[self.indices[i]]


class SlicedSequence(ShuffledSequence[T]):
    """A view of a slice of a sequence.

    Args:
        inner_sequence: the underlying sequence.
        s: the slice.
    """

    def __init__(self, inner_sequence: Sequence[T], s: slice) -> None:
        super().__init__(inner_sequence, range(len(inner_sequence))[s])


class ConcatenatedSequence(Sequence[T]):
    """A view of several sequences as one.

    Args:
        sequences: the parts, at least one.

    Raises:
        ValueError: no part given.
    """

    def __init__(self, *sequences: Sequence[T]) -> None:
        if not sequences:
            raise ValueError("ConcatenatedSequence: expected at least one sequence, got none")
        self.sequences = sequences
        self._ends = list(accumulate(len(part) for part in sequences))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, i: int) -> T: ...
    @overload
    def __getitem__(self, i: slice) -> SlicedSequence[T]: ...
    def __getitem__(self, i: int | slice) -> T | SlicedSequence[T]:
        if isinstance(i, slice):
            return SlicedSequence(self, i)
        position = i + len(self) if i < 0 else i
        if not 0 <= position < len(self):
            raise IndexError(f"index {i} is outside a sequence of {len(self)} items")
        # the first part that ends after the index; empty parts are skipped
        part = bisect_right(self._ends, position)
        start = self._ends[part - 1] if part else 0
        return self.sequences[part][position - start]

    def __contains__(self, item: object) -> bool:
        return any(item in part for part in self.sequences)
