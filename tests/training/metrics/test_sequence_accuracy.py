import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics import SequenceAccuracy

PREDICTIONS = torch.tensor([[[0, 1, 2], [3, 4, 5]], [[0, 0, 0], [1, 1, 1]], [[7, 7, 7], [8, 8, 8]]])
GOLD = torch.tensor([[3, 4, 5], [0, 0, 9], [8, 7, 8]])


def test_any_of_the_beams_may_be_right():
    accuracy = SequenceAccuracy()
    accuracy(PREDICTIONS, GOLD)
    assert accuracy.get_metric(reset=True) == {"accuracy": pytest.approx(1 / 3)}
    assert accuracy.get_metric() == {"accuracy": 0.0}


def test_only_places_under_the_mask_are_compared():
    accuracy = SequenceAccuracy()
    accuracy(PREDICTIONS, GOLD, torch.tensor([[True] * 3, [True, True, False], [True] * 3]))
    assert accuracy.get_metric() == {"accuracy": pytest.approx(2 / 3)}


def test_shapes_have_to_fit():
    with pytest.raises(ConfigurationError, match="one dimension less"):
        SequenceAccuracy()(PREDICTIONS, PREDICTIONS)
    with pytest.raises(ConfigurationError, match="mask: expected the shape of gold_labels"):
        SequenceAccuracy()(PREDICTIONS, GOLD, torch.ones(3, dtype=torch.bool))
