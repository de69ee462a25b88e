import itertools
import random

from nlpreg.training.metrics.ngram_counts import count_matches, count_ngrams, longest_common_subsequence


def test_ngrams():
    assert count_ngrams([1, 2, 1, 2], 2, frozenset()) == {(1, 2): 2, (2, 1): 1}
    assert count_ngrams([1, 2, 0, 1, 2], 2, frozenset({0})) == {(1, 2): 2}
    assert count_ngrams([1], 2, frozenset()) == {}
    assert count_ngrams([], 1, frozenset()) == {}


def test_matches_are_clipped():
    found = count_ngrams([1, 1, 1, 2], 1, frozenset())
    wanted = count_ngrams([1, 1, 3], 1, frozenset())
    assert count_matches(found, wanted) == 2


def test_common_subsequence_against_all_subsequences():
    chance = random.Random(0)
    for _ in range(60):
        left = chance.choices(range(4), k=chance.randrange(8))
        right = chance.choices(range(4), k=chance.randrange(8))
        common = set(_subsequences(left)) & set(_subsequences(right))
        assert longest_common_subsequence(left, right) == max(map(len, common))


def _subsequences(sequence):
    for length in range(len(sequence) + 1):
        yield from itertools.combinations(sequence, length)
