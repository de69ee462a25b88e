import logging

import pytest
import torch

from nlpreg.common import Params
from nlpreg.training.learning_rate_schedulers import LearningRateScheduler
from nlpreg.training.optimizers import AdamOptimizer, SgdOptimizer, check_group_options, make_parameter_groups

NAMES = [
    "encoder.0.weight",
    "encoder.0.bias",
    "encoder.1.weight",
    "encoder.1.bias",
    "head.weight",
    "head.bias",
]


@pytest.fixture
def parameters():
    return [(name, torch.nn.Parameter(torch.zeros(1))) for name in NAMES]


def names_of(group, parameters):
    names = {id(parameter): name for name, parameter in parameters}
    return [names[id(parameter)] for parameter in group["params"]]


@pytest.mark.parametrize("groups", [None, []])
def test_no_groups(parameters, groups):
    assert make_parameter_groups(parameters, groups) == [parameter for _, parameter in parameters]


def test_groups_in_order_and_a_default_group_last(parameters):
    groups = make_parameter_groups(
        parameters, [(["^head"], {"lr": 1.0}), (["0.bias$", "1.weight"], {"eps": 2.0})]
    )
    assert [names_of(group, parameters) for group in groups] == [
        ["head.weight", "head.bias"],
        ["encoder.0.bias", "encoder.1.weight"],
        ["encoder.0.weight", "encoder.1.bias"],
    ]
    assert [{k: v for k, v in group.items() if k != "params"} for group in groups] == [
        {"lr": 1.0},
        {"eps": 2.0},
        {},
    ]


def test_lists_from_a_config(parameters):
    groups = make_parameter_groups(parameters, [[["bias"], {"weight_decay": 0.0}]])
    assert len(groups[0]["params"]) == 3


def test_a_parameter_in_two_groups(parameters):
    with pytest.raises(ValueError, match=r"'head.bias' matches groups 0 .* and 1"):
        make_parameter_groups(parameters, [(["bias"], {}), (["head"], {})])


def test_an_empty_default_group_stays(parameters):
    groups = make_parameter_groups(parameters, [(["."], {"lr": 1.0})])
    assert groups[-1] == {"params": []}


def test_a_pattern_that_matches_nothing(parameters, caplog):
    groups = make_parameter_groups(parameters, [(["tail"], {"lr": 1.0})])
    assert [len(group["params"]) for group in groups] == [0, 6]
    assert "parameter_groups: 'tail' matches no parameter; the names most like it are " in caplog.text


def test_frozen_groups_are_dropped(parameters, caplog):
    with caplog.at_level(logging.INFO):
        groups = make_parameter_groups(
            parameters, [(["head"], {"lr": 1.0}), (["^encoder.0"], {"requires_grad": False, "lr": 3.0})]
        )
    assert [names_of(group, parameters) for group in groups] == [
        ["head.weight", "head.bias"],
        ["encoder.1.weight", "encoder.1.bias"],
    ]
    assert [parameter.requires_grad for _, parameter in parameters] == [False, False, True, True, True, True]
    assert "its other options ['lr'] have no effect" in caplog.text
    assert "number of trainable parameters: 4" in caplog.text


@pytest.mark.parametrize("value", [True, None, 0])
def test_only_a_literal_false_freezes(parameters, value):
    groups = make_parameter_groups(parameters, [(["head"], {"requires_grad": value})])
    assert len(groups) == 2
    assert all(parameter.requires_grad for _, parameter in parameters)
    assert "requires_grad" not in groups[0]


@pytest.mark.parametrize("scheduler", ["cosine", "exponential", "one_cycle_lr"])
def test_what_a_scheduler_left_in_the_groups_is_no_unknown_option(parameters, scheduler):
    groups = [(["weight"], {"lr": 0.5, "initial_lr": 0.5}), (["bias"], {"initial_lr": 0.1})]
    optimizer = AdamOptimizer(parameters, groups, lr=0.1)
    check_group_options(optimizer)
    options = {"cosine": {"t_initial": 2}, "one_cycle_lr": {"max_lr": 1.0, "total_steps": 5}}.get(
        scheduler, {}
    )
    LearningRateScheduler.from_params(Params({"type": scheduler, **options}), optimizer=optimizer)
    check_group_options(optimizer)


def test_an_optimizer_of_ones_own_may_read_more():
    class Own(SgdOptimizer):
        pass

    parameters = [("weight", torch.nn.Parameter(torch.ones(1)))]
    optimizer = Own(parameters, lr=1.0, parameter_groups=[(["weight"], {"more": 1})])
    check_group_options(optimizer)
    assert optimizer.param_groups[0]["more"] == 1
