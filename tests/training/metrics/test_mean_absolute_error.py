import math

import pytest
import torch

from nlpreg.training.metrics import MeanAbsoluteError


def test_mean_distance():
    error = MeanAbsoluteError()
    error(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 2.5], [3.0, -4.0]]))
    error(torch.tensor([5.0, 9.0]), torch.tensor([5.5, 0.0]), torch.tensor([True, False]))
    assert error.get_metric(reset=True) == {"mae": pytest.approx((1 + 0.5 + 0 + 8 + 0.5) / 5)}


def test_there_is_no_mean_over_nothing():
    assert math.isnan(MeanAbsoluteError().get_metric()["mae"])
