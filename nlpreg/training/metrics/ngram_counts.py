"""Counting what two sequences of ids have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

NGram = tuple[int, ...]


def count_ngrams(sequence: Sequence[int], size: int, excluded: frozenset[int]) -> Counter[NGram]:
    """How often each n-gram without an excluded id occurs in a sequence."""
    ngrams = zip(*(sequence[start:] for start in range(size)), strict=False)
    if not excluded:
        return Counter(ngrams)
    return Counter(ngram for ngram in ngrams if excluded.isdisjoint(ngram))


def count_matches(found: Counter[NGram], wanted: Counter[NGram]) -> int:
    """How many of the n-grams found are wanted, each at most as often as it is wanted."""
    return sum(min(count, wanted[ngram]) for ngram, count in found.items() if ngram in wanted)


def longest_common_subsequence(left: Collection[int], right: Collection[int]) -> int:
    """Length of the longest sequence that remains of both sides by leaving out ids.

    Source: Hyyrö (2004), Bit-parallel LCS-length computation revisited; a column of the table is one integer, so a
    pair costs one addition of big integers for each id.
    """
    places: dict[int, int] = {}
    for place, token in enumerate(left):
        places[token] = places.get(token, 0) | (1 << place)
    everything = (1 << len(left)) - 1
    unmatched = everything  # a bit falls to 0 where the length grows by one
    for token in right:
        hits = unmatched & places.get(token, 0)
        unmatched = ((unmatched + hits) | (unmatched - hits)) & everything
    return len(left) - unmatched.bit_count()
