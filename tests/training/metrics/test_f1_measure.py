import pytest
import torch

from nlpreg.training.metrics import F1Measure

SCORES = torch.tensor([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
GOLD = torch.tensor([0, 1, 0, 1, 1, 0])


def test_counts_and_scores_of_one_class():
    measure = F1Measure(positive_label=1)
    measure(SCORES, GOLD)
    assert (measure._true_positives, measure._false_positives) == (2, 1)
    assert (measure._false_negatives, measure._true_negatives) == (1, 2)
    assert measure.get_metric() == {
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
    }


def test_masked_items_do_not_count():
    measure = F1Measure(positive_label=0)
    measure(SCORES, GOLD, torch.tensor([True, True, False, False, False, True]))
    assert measure.get_metric(reset=True) == {"precision": 1.0, "recall": 1.0, "f1": 1.0}


def test_before_any_batch():
    measure = F1Measure(positive_label=0)
    counts = (
        measure._true_positives,
        measure._false_positives,
        measure._false_negatives,
        measure._true_negatives,
    )
    assert counts == (0.0, 0.0, 0.0, 0.0)
    with pytest.raises(RuntimeError, match="before any batch was added"):
        measure.get_metric()
