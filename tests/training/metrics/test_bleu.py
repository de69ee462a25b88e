import itertools
import math
import random

import pytest
import torch

from nlpreg.training.metrics import BLEU
from nlpreg.training.metrics.bleu import count_matches, count_ngrams, longest_common_subsequence


def test_perfect_prediction():
    bleu = BLEU()
    sentence = torch.tensor([[1, 2, 3, 4, 5]])
    bleu(sentence, sentence)
    assert bleu.get_metric(reset=True)["BLEU"] == pytest.approx(1.0)
    assert bleu.get_metric()["BLEU"] == 0.0


def test_by_hand():
    bleu = BLEU(ngram_weights=(0.5, 0.5), exclude_indices={0})
    bleu(torch.tensor([[1, 2, 2, 0, 0]]), torch.tensor([[1, 2, 3, 4, 0]]))
    bleu(torch.tensor([[5, 6, 0]]), torch.tensor([[5, 6, 0]]))
    # unigrams: 1, 2 of 3 and 5, 6 of 2; bigrams: (1, 2) of 2 and (5, 6) of 1; lengths 5 and 6
    expected = math.exp(1 - 6 / 5) * math.exp(0.5 * math.log(4 / 5) + 0.5 * math.log(2 / 3))
    assert bleu.get_metric()["BLEU"] == pytest.approx(expected)


def test_padding_counts_for_lengths_unless_excluded():
    bleu = BLEU(ngram_weights=(1.0,))
    bleu(torch.tensor([[1, 0, 0]]), torch.tensor([[1]]))
    assert bleu.get_metric()["BLEU"] == pytest.approx(1 / 3)


def test_a_mask_is_refused():
    with pytest.raises(NotImplementedError, match="bleu takes no mask"):
        BLEU()(torch.ones(1, 1), torch.ones(1, 1), torch.ones(1, 1, dtype=torch.bool))


@pytest.mark.oracle
def test_against_nltk():
    bleu_score = pytest.importorskip("nltk.translate.bleu_score")
    generator = torch.Generator().manual_seed(0)
    predictions = torch.randint(1, 6, (20, 9), generator=generator)
    gold = torch.randint(1, 6, (20, 8), generator=generator)
    bleu = BLEU()
    bleu(predictions, gold)
    expected = bleu_score.corpus_bleu([[row] for row in gold.tolist()], predictions.tolist())
    assert bleu.get_metric()["BLEU"] == pytest.approx(expected)


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
