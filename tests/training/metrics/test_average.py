import math

import pytest
import torch

from nlpreg.training.metrics import Average, Metric


def test_mean_of_numbers_and_tensors():
    average = Average()
    for value in (1.0, torch.tensor(2.0), torch.tensor([6.0])):
        average(value)
    assert average.get_metric() == pytest.approx(3.0)


def test_numbers_are_not_rounded():
    average = Average()
    average(0.1)
    assert average.get_metric(reset=True) == 0.1
    average(0.3, weight=0.1)
    assert average.get_metric() == pytest.approx(0.3, rel=1e-15)


def test_nothing_seen_is_zero():
    assert Average().get_metric() == 0.0


def test_weighted_mean():
    average = Average()
    average(torch.tensor(1.0), weight=torch.tensor(3))
    average(5.0, weight=1)
    average(torch.tensor(100.0), weight=0)
    assert average.get_metric() == pytest.approx((1.0 * 3 + 5.0) / 4)


def test_reset_forgets():
    average = Average()
    average(4.0)
    assert average.get_metric(reset=True) == 4.0
    assert average.get_metric() == 0.0


def test_it_holds_no_graph():
    average = Average()
    weight = torch.ones((), requires_grad=True)
    average(weight * 2, weight * 3)
    assert not average._total_value.requires_grad
    assert not average._count.requires_grad


def test_long_sums_stay_exact():
    average = Average()
    average(torch.tensor(2.0**24))
    for _ in range(3):
        average(torch.tensor(1.0))
    assert average.get_metric() == (2.0**24 + 3) / 4


def test_a_loss_that_is_not_a_number_shows():
    average = Average()
    average(torch.tensor(math.nan))
    assert math.isnan(average.get_metric())


def test_registered_name():
    assert Metric.by_name("average") is Average
