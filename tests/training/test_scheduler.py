import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.scheduler import Scheduler


class Halving(Scheduler):
    def get_values(self):
        return [value / 2 ** (self.last_epoch + 1) for value in self.base_values]


@pytest.fixture
def optimizer():
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [parameters[0]], "lr": 1.0}, {"params": [parameters[1]], "lr": 0.5}]
    return torch.optim.SGD(groups, lr=0.1)


def test_values_follow_the_epochs(optimizer):
    scheduler = Halving(optimizer, "lr")
    assert scheduler.base_values == [1.0, 0.5]
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.5]  # the constructor does not step
    scheduler.step()
    scheduler.step(0.3)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.125]
    assert [group["initial_lr"] for group in optimizer.param_groups] == [1.0, 0.5]
    scheduler.step_batch(5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.125]


def test_a_state_goes_on(optimizer):
    scheduler = Halving(optimizer, "lr")
    scheduler.step()
    state = scheduler.state_dict()
    assert "optimizer" not in state
    other = Halving(optimizer, "lr", last_epoch=0)
    other.load_state_dict(state)
    other.step()
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_a_field_that_the_optimizer_lacks(optimizer):
    with pytest.raises(KeyError, match="'beta' missing in parameter group 0 of SGD") as error:
        Halving(optimizer, "beta")
    assert isinstance(error.value, ConfigurationError)  # for the command line


def test_going_on_needs_the_initial_values(optimizer):
    with pytest.raises(KeyError, match="'initial_lr' missing"):
        Halving(optimizer, "lr", last_epoch=3)
