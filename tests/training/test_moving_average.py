import pytest
import torch

from nlpreg.common import Params
from nlpreg.training.moving_average import ExponentialMovingAverage, MovingAverage


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
    with pytest.raises(NotImplementedError, match="MovingAverage does not say how to average"):
        MovingAverage([("p", parameter)]).apply()
