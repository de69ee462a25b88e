import pytest
import torch

from nlpreg.training.metrics import UnigramRecall

PREDICTIONS = torch.tensor([[[1, 2, 3], [4, 5, 6]], [[1, 1, 1], [2, 2, 2]]])


def test_any_beam_may_have_the_word():
    recall = UnigramRecall()
    recall(PREDICTIONS, torch.tensor([[1, 6, 9, 0], [1, 1, 3, 4]]))
    assert (recall.correct_count, recall.total_count) == (pytest.approx(2 / 3 + 2 / 4), 2)
    assert recall.get_metric(reset=True) == {"unigram_recall": pytest.approx((2 / 3 + 2 / 4) / 2)}
    assert recall.get_metric() == {"unigram_recall": 0.0}


def test_mask_and_end_symbol():
    recall = UnigramRecall()
    gold = torch.tensor([[1, 9, 5, 5], [7, 9, 9, 9]])
    recall(PREDICTIONS, gold, torch.tensor([[True, True, True, False], [True] * 4]), end_index=9)
    assert recall.get_metric() == {"unigram_recall": pytest.approx((2 / 2 + 0 / 1) / 2)}
