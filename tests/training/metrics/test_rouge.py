import pytest
import torch

from nlpreg.training.metrics import ROUGE

PREDICTIONS = torch.tensor([[1, 0, 1, 2], [1, 0, 3, 0], [1, 2, 3, 0]])
GOLD = torch.tensor([[2, 0, 1, 2], [1, 2, 1, 0], [1, 0, 2, 3]])


def test_by_hand():
    rouge = ROUGE(exclude_indices={0})
    rouge(PREDICTIONS, GOLD)
    measured = rouge.get_metric(reset=True)
    # unigrams that match, of those predicted, of those in the reference: 2/3/3, 1/2/3, 3/3/3
    assert measured["ROUGE-1_R"] == pytest.approx((2 / 3 + 1 / 3 + 1) / 3)
    assert measured["ROUGE-1_P"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert measured["ROUGE-1_F1"] == pytest.approx((2 / 3 + 2 / 5 + 1) / 3)
    # bigrams without the excluded id: 1/1/1, 0/0/2, 1/2/1
    assert measured["ROUGE-2_R"] == pytest.approx((1 + 0 + 1) / 3)
    assert measured["ROUGE-2_P"] == pytest.approx((1 + 0 + 1 / 2) / 3)
    assert measured["ROUGE-2_F1"] == pytest.approx((1 + 0 + 2 / 3) / 3)
    # longest common subsequences: [1, 2], [1], [1, 2, 3]
    assert measured["ROUGE-L"] == pytest.approx((2 / 3 + 2 / 5 + 1) / 3, rel=1e-14)
    assert list(measured) == [
        *("ROUGE-1_R", "ROUGE-2_R", "ROUGE-1_P", "ROUGE-2_P", "ROUGE-1_F1", "ROUGE-2_F1", "ROUGE-L")
    ]
    assert set(rouge.get_metric().values()) == {0.0}


def test_empty_sequences():
    rouge = ROUGE(exclude_indices={0})
    rouge(torch.zeros(2, 3, dtype=torch.long), GOLD[:2])
    assert set(rouge.get_metric().values()) == {0.0}
