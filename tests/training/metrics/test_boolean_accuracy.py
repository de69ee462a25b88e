import pytest
import torch

from nlpreg.training.metrics import BooleanAccuracy


def test_rows_have_to_be_right_throughout():
    accuracy = BooleanAccuracy()
    accuracy(torch.tensor([[0, 1], [2, 3], [4, 5], [6, 7]]), torch.tensor([[0, 1], [2, 2], [4, 5], [7, 7]]))
    assert accuracy.get_metric(reset=True) == 0.5
    assert accuracy.get_metric() == 0.0


def test_masked_places_do_not_matter_and_empty_rows_do_not_count():
    predictions = torch.tensor([[0, 1], [2, 3], [4, 5], [6, 7]])
    gold = torch.tensor([[0, 9], [2, 2], [4, 5], [7, 7]])
    mask = torch.tensor([[True, False], [False, True], [True, True], [False, False]])
    accuracy = BooleanAccuracy()
    accuracy(predictions, gold, mask)
    assert accuracy.get_metric() == pytest.approx(2 / 3)


def test_more_dimensions():
    accuracy = BooleanAccuracy()
    accuracy(torch.zeros(2, 3, 4), torch.cat([torch.zeros(1, 3, 4), torch.ones(1, 3, 4)]))
    assert accuracy.get_metric() == 0.5


def test_shapes_have_to_agree():
    with pytest.raises(ValueError, match=r"gold_labels: expected the shape of predictions, \(2, 3\)"):
        BooleanAccuracy()(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="mask: expected the shape of predictions"):
        BooleanAccuracy()(torch.zeros(2, 3), torch.zeros(2, 3), torch.ones(2, dtype=torch.bool))
