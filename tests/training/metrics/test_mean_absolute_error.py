import pytest
import torch

from nlpreg.training.metrics import MeanAbsoluteError


def test_mean_distance():
    error = MeanAbsoluteError()
    error(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 2.5], [3.0, -4.0]]))
    error(torch.tensor([5.0, 9.0]), torch.tensor([5.5, 0.0]), torch.tensor([True, False]))
    assert error.get_metric(reset=True) == {"mae": pytest.approx((1 + 0.5 + 0 + 8 + 0.5) / 5)}


def test_nothing_seen_is_an_error():
    with pytest.raises(ZeroDivisionError, match="before it saw a number"):
        MeanAbsoluteError().get_metric()
