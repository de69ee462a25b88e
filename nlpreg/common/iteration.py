"""Small helpers for sequences, iterables and dictionaries."""

from __future__ import annotations

import hashlib
import pickle
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

A = TypeVar("A")
T = TypeVar("T")


def group_by_count(iterable: Iterable[Any], count: int, default_value: Any) -> list[list[Any]]:
    """Groups of exactly `count` items; the last one is filled with `default_value`."""
    groups = list(lazy_groups_of(iterable, count))
    if groups:
        groups[-1] += [default_value] * (count - len(groups[-1]))
    return groups


def lazy_groups_of(iterable: Iterable[A], group_size: int) -> Iterator[list[A]]:
    """Groups of `group_size` items, made as they are asked for; the last one may be shorter."""
    items = iter(iterable)
    while group := list(islice(items, group_size)):
        yield group


def pad_sequence_to_length(
    sequence: Sequence[Any],
    desired_length: int,
    default_value: Callable[[], Any] = lambda: 0,
    padding_on_right: bool = True,
) -> list[Any]:
    """A list of exactly `desired_length` items: `sequence`, padded or cut.

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
    """Each value shifted by a random share of itself, at most `noise_param` (0.1 = ten per cent) up or down."""
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
    """The items in an order that is random within a moving pool of `pool_size` of them.

    Args:
        i: the items; no more than the pool is held at a time.
        pool_size: number of items that the next one is drawn from.
        rng: draws the numbers; the global generator unless given.
    """
    generator = rng or random
    items = iter(i)
    pool = list(islice(items, pool_size))
    for item in items:
        at = generator.randrange(len(pool))
        yield pool[at]
        pool[at] = item
    generator.shuffle(pool)
    yield from pool


def cycle_iterator_function(iterator_function: Callable[[], Iterable[T]]) -> Iterator[T]:
    """The items of `iterator_function()`, then of a new call of it, and so on for ever; nothing is kept.

    Raises:
        ValueError: a call gave no item at all, which would never end.
    """
    while True:
        empty = True
        for item in iterator_function():
            empty = False
            yield item
        if empty:
            raise ValueError("cannot go round an iterable without items: expected at least one")


def hash_object(o: Any) -> str:
    """A digest of an object's content, the same in every process for plain values: a key for caches."""
    return hashlib.blake2b(pickle.dumps(o, protocol=5), digest_size=20).hexdigest()
