import logging

import pytest
import torch
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.regularizers import L2Regularizer, RegularizerApplicator
from nlpreg.training.gradient_descent_trainer import check_options, parameters_to_train
from nlpreg.training.optimizers import Optimizer
from nlpreg.training.run import steps_per_epoch


def test_parameters_are_frozen_by_name(caplog):
    module = nn.ModuleDict({"embedder": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
    with caplog.at_level(logging.INFO):
        trained = parameters_to_train(module, ["^embedder", "bias$"])
    assert [name for name, _ in trained] == ["head.weight"]
    assert "are frozen: embedder.weight, embedder.bias, head.bias" in caplog.text
    assert "are tunable: head.weight" in caplog.text


def test_the_wrapper_of_a_distributed_run_does_not_show_in_names():
    wrapped = nn.ModuleDict({"module": nn.ModuleDict({"head": nn.Linear(1, 1)})})
    assert [name for name, _ in parameters_to_train(wrapped, ["^head.bias"])] == ["head.weight"]


def test_a_model_without_parameters():
    with pytest.raises(ConfigurationError, match="use the trainer `no_op`"):
        parameters_to_train(nn.Identity(), None)


@pytest.mark.parametrize(("length", "group", "steps"), [(7, 1, 7), (7, 3, 3), (6, 3, 2), (0, 2, 0)])
def test_updates_of_an_epoch(tiny_loader, length, group, steps):
    assert steps_per_epoch(tiny_loader(length), group) == steps


def test_a_loader_without_length(tiny_loader):
    class Endless(tiny_loader):
        def __len__(self):
            raise TypeError("no length")

    assert steps_per_epoch(Endless(), 1) is None


@pytest.mark.parametrize("patience", [0, -1, 1.5, True])
def test_a_patience_that_makes_no_sense(patience):
    with pytest.raises(ConfigurationError, match="patience: expected a whole number above 0 or null"):
        check_options(patience)


@pytest.mark.parametrize(
    "name", ["validate_every_num_batches", "num_gradient_accumulation_steps", "metrics_interval"]
)
def test_numbers_have_to_be_above_0(make_trainer, name):
    with pytest.raises(ConfigurationError, match=f"{name}: expected 1 or more, got 0"):
        make_trainer({name: 0})


def test_a_loader_without_length_can_be_trained_on(make_trainer, tiny_loader):
    class Endless(tiny_loader):
        def __len__(self):
            raise TypeError("no length")

    trainer = make_trainer({"num_epochs": 1}, loader=Endless(3))
    assert trainer.run.steps_per_epoch is None
    assert torch.isfinite(torch.tensor(trainer.train()["training_loss"]))
    with pytest.raises(ConfigurationError, match="number of steps of an epoch is unknown"):
        make_trainer({"learning_rate_scheduler": "linear_with_warmup"}, loader=Endless(3), folder="b")


def test_gradients_are_not_turned_around(make_trainer):
    with pytest.raises(ConfigurationError, match="grad_norm: expected 0 or more, got -1"):
        make_trainer({"grad_norm": -1.0})
    assert make_trainer({"grad_norm": True})._grad_norm is True


GROUPS = [[["weight"], {"lr": 0.5}], [["scale"], {"requires_grad": False}]]


@pytest.mark.parametrize("name", sorted(set(Optimizer.list_available()) - {"multi", "lbfgs", "muon"}))
def test_every_optimizer_takes_groups_and_knows_its_options(make_trainer, tiny_model, name):
    config = {"type": name, "parameter_groups": GROUPS, **({"lr": 0.1} if name == "sgd" else {})}
    groups = make_trainer({"optimizer": config}, tiny_model()).optimizer.param_groups
    assert [len(group["params"]) for group in groups] == [1, 1]
    assert groups[0]["lr"] == 0.5
    config["parameter_groups"] = [[["weight"], {"lrr": 0.5}]]
    with pytest.raises(ConfigurationError, match="has no option 'lrr'; did you mean \"lr\""):
        make_trainer({"optimizer": config}, tiny_model())


def test_options_of_several_optimizers(make_trainer, tiny_model):
    inner = {"default": "adam", "other": {"type": "sgd", "lr": 1.0}}
    config = {"type": "multi", "optimizers": inner}
    groups = [[["weight"], {"optimizer_name": "other", "momentum": 0.5}]]
    make_trainer({"optimizer": {**config, "parameter_groups": groups}}, tiny_model())
    groups = [[["weight"], {"optimizer_name": "other", "betas": [0.5, 0.5]}]]
    with pytest.raises(ConfigurationError, match="SgdOptimizer has no option 'betas'"):
        make_trainer({"optimizer": {**config, "parameter_groups": groups}}, tiny_model())


def test_patterns_that_match_nothing_are_named(make_trainer, tiny_model):
    with pytest.raises(
        ConfigurationError, match=r"no_grad: 'liner' matches no parameter; .* are linear.weight"
    ):
        make_trainer({"no_grad": ["scale", "liner"]})
    model = tiny_model()
    trainable = parameters_to_train(
        model, iter(["scale", "bias"])
    )  # used up by the first parameter otherwise
    assert [name for name, _ in trainable] == ["linear.weight"]


def test_a_penalty_on_nothing_is_named(make_trainer, tiny_model):
    model = tiny_model()
    penalty = RegularizerApplicator(iter([("liner.weight", L2Regularizer(0.1))]))
    model.get_regularization_penalty = lambda: penalty(model)
    with pytest.raises(
        ConfigurationError, match=r"regularizer: 'liner.weight' matches no parameter; .* linear.w"
    ):
        make_trainer(model=model).train()
    penalty = RegularizerApplicator(iter([("weight", L2Regularizer(0.1)), ("bias|scale", L2Regularizer())]))
    assert penalty(model) > 0
