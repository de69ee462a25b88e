import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.learning_rate_schedulers import LearningRateScheduler
from nlpreg.training.optimizers import Optimizer

CONFIG = {
    "type": "multi",
    "optimizers": {"default": {"type": "adam", "lr": 0.1}, "slow": {"type": "sgd", "lr": 0.01}},
    "parameter_groups": [[["^0"], {"optimizer_name": "slow"}], [["^2.bias"], {"lr": 0.5}]],
}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))


def build(model, **changes):
    return Optimizer.from_params(
        Params({**CONFIG, **changes}), model_parameters=list(model.named_parameters())
    )


def step(model, optimizer):
    optimizer.zero_grad()
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()


def test_each_parameter_goes_to_its_optimizer(model):
    optimizer = build(model)
    before = [p.detach().clone() for p in model.parameters()]
    step(model, optimizer)
    change = [(p.detach() - old) for p, old in zip(model.parameters(), before, strict=True)]
    torch.testing.assert_close(change[0], -0.01 * model[0].weight.grad)
    torch.testing.assert_close(change[2], -0.1 * model[2].weight.grad.sign(), atol=1e-4, rtol=0)
    torch.testing.assert_close(change[3], -0.5 * model[2].bias.grad.sign(), atol=1e-4, rtol=0)


def test_the_first_group_chooses_the_optimizer(model):
    optimizer = build(model, parameter_groups=[[["bias"], {"optimizer_name": "slow"}], [["^2"], {"lr": 0.5}]])
    slow, default = (optimizer.optimizers[name].param_groups for name in ("slow", "default"))
    assert {id(p) for group in slow for p in group["params"]} == {id(model[0].bias), id(model[2].bias)}
    assert [len(group["params"]) for group in default] == [1, 1]


def test_groups_are_shared_so_that_schedulers_act(model):
    optimizer = build(model)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1, 0.01, 0.01]
    config = Params({"type": "exponential", "gamma": 0.5})
    scheduler = LearningRateScheduler.from_params(config, optimizer=optimizer)
    step(model, optimizer)
    scheduler.step()
    assert [g["lr"] for g in optimizer.optimizers["slow"].param_groups] == [0.005, 0.005]


def test_groups_are_shared_after_a_state_is_loaded(model):
    optimizer, other = build(model), build(model)
    step(model, optimizer)
    state = optimizer.state_dict()
    assert set(state) == {"default_optimizer", "slow_optimizer"}
    other.load_state_dict(state)
    other.param_groups[0]["lr"] = 7.0
    assert other.optimizers["default"].param_groups[0]["lr"] == 7.0
    step(model, other)


def test_gradients_are_forgotten(model):
    optimizer = build(model)
    step(model, optimizer)
    optimizer.zero_grad(set_to_none=True)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_unused_default_is_dropped(model):
    optimizer = build(model, parameter_groups=[[["."], {"optimizer_name": "slow"}]])
    assert list(optimizer.optimizers) == ["slow"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizers": {"slow": {"type": "sgd", "lr": 0.1}}}, 'expected one named "default"'),
        ({"parameter_groups": []}, "optimizers.slow: it has no parameters"),
        (
            {"parameter_groups": [[["^0"], {"optimizer_name": "fast"}]]},
            "expected one of .*'default', 'slow'.*'fast'",
        ),
    ],
)
def test_configs_that_make_no_sense(model, changes, message):
    with pytest.raises(ConfigurationError, match=message):
        build(model, **changes)
