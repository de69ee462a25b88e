import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.moving_average import (
    ExponentialMovingAverage,
    MovingAverage,
    NonMonotonicallyTriggeredAverage,
)


@pytest.fixture
def parameter():
    return torch.nn.Parameter(torch.tensor([1.0, 2.0]))


def change(parameter, value):
    with torch.no_grad():
        parameter.fill_(value)


def test_the_formula(parameter):
    average = ExponentialMovingAverage([("p", parameter)], decay=0.9)
    shadow = parameter.detach().clone()
    for updates, value in [(1, 3.0), (2, -1.0), (200, 5.0)]:
        change(parameter, value)
        average.apply(updates)
        decay = min(0.9, (1 + updates) / (10 + updates))
        shadow = decay * shadow + (1 - decay) * value
    torch.testing.assert_close(average.state_dict()["shadows"]["p"], shadow)
    average.apply()  # without a number, the decay as it is
    torch.testing.assert_close(average.state_dict()["shadows"]["p"], 0.9 * shadow + 0.1 * 5.0)


def test_averages_take_the_place_of_values_and_give_it_back(parameter):
    average = MovingAverage.from_params(Params({"decay": 0.5}), parameters=[("p", parameter)])
    change(parameter, 3.0)
    average.assign_average_value()
    assert parameter.tolist() == [1.0, 2.0]
    average.restore()
    assert parameter.tolist() == [3.0, 3.0]


def test_a_state_goes_on_with_the_parameters_of_the_model(parameter):
    average = ExponentialMovingAverage([("p", parameter)], decay=0.5)
    change(parameter, 3.0)
    average.apply(100)
    other = torch.nn.Parameter(torch.zeros(2))
    resumed = ExponentialMovingAverage([("p", other)], decay=0.5)
    resumed.load_state_dict(average.state_dict())
    resumed.assign_average_value()
    assert other.tolist() == [2.0, 2.5]


def test_a_state_of_another_model(parameter):
    average = ExponentialMovingAverage([("p", parameter)])
    other = ExponentialMovingAverage([("q", parameter)])
    with pytest.raises(RuntimeError, match=r"expected the parameters \['q'\], got \['p'\]"):
        other.load_state_dict(average.state_dict())


def test_the_base_has_no_formula(parameter):
    with pytest.raises(NotImplementedError, match="MovingAverage does not implement apply"):
        MovingAverage([("p", parameter)]).apply()


SCORES = [-9.0, -7.0, -6.0, -6.5, -6.4, -6.3, -8.0]
"""Scores of validations: the sixth is the first that is worse than the best of more than two validations ago."""


def test_averaging_starts_when_validation_stops_improving(parameter):
    average = NonMonotonicallyTriggeredAverage([("p", parameter)], patience=2)
    triggered = []
    for score in SCORES:
        average.apply()
        average.end_epoch(score)
        triggered.append(average.is_triggered)
    # by hand: before each, the scores that are compared are SCORES[:-2] of those before it
    expected = [
        any(
            score < max(SCORES[: n - 2], default=-10.0) for n, score in enumerate(SCORES[: last + 1]) if n > 2
        )
        for last in range(len(SCORES))
    ]
    assert triggered == expected == [False] * 5 + [True] * 2


def test_the_mean_is_that_of_the_updates_since(parameter):
    average = NonMonotonicallyTriggeredAverage([("p", parameter)], patience=1)
    for score in (3.0, 2.0, 1.0):
        change(parameter, score)
        average.apply()
        average.assign_average_value()
        assert parameter.tolist() == [score, score]  # the weights themselves
        average.restore()
        average.end_epoch(score)
    assert average.is_triggered
    average.assign_average_value()
    assert parameter.tolist() == [1.0, 1.0]  # before the first update
    average.restore()
    for value in (10.0, 20.0, 60.0):
        change(parameter, value)
        average.apply()
    average.assign_average_value()
    assert parameter.tolist() == [30.0, 30.0]
    average.restore()
    assert parameter.tolist() == [60.0, 60.0]


def test_a_triggered_average_resumes(parameter):
    average = NonMonotonicallyTriggeredAverage([("p", parameter)], patience=1)
    for score in (3.0, 2.0, 1.0):
        average.end_epoch(score)
    change(parameter, 4.0)
    average.apply()
    resumed = NonMonotonicallyTriggeredAverage([("p", parameter)], patience=1)
    resumed.load_state_dict(average.state_dict())
    change(parameter, 8.0)
    resumed.apply()
    resumed.assign_average_value()
    assert parameter.tolist() == [6.0, 6.0]


def test_a_trigger_needs_a_validation(parameter):
    with pytest.raises(ConfigurationError, match="patience: expected 1 or more, got 0"):
        NonMonotonicallyTriggeredAverage([("p", parameter)], patience=0)
    average = MovingAverage.from_params(Params({"type": "non_monotonic"}), parameters=[("p", parameter)])
    with pytest.raises(ConfigurationError, match="the run has no validation data; add validation_data_path"):
        average.end_epoch(None)
