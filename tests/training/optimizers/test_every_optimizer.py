"""What holds for every registered optimizer."""

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.optimizers import Optimizer

OPTIONS = {"sgd": {"lr": 0.1}, "multi": {"optimizers": {"default": "adam"}, "parameter_groups": []}}
DENSE = [name for name in Optimizer.list_available() if name != "sparse_adam"]
OF_TORCH = {
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "averaged_sgd": torch.optim.ASGD,
}
SPEC_DEFAULTS = {
    "adam": {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False},
    "sparse_adam": {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8},
    "adamax": {"lr": 0.002, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "adamw": {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01, "amsgrad": False},
    "huggingface_adamw": {
        "lr": 1e-5,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0.0,
        "correct_bias": True,
    },
    "huggingface_adafactor": {
        "lr": None,
        "eps": (1e-30, 1e-3),
        "clip_threshold": 1.0,
        "decay_rate": -0.8,
        "beta1": None,
        "weight_decay": 0.0,
        "scale_parameter": True,
        "relative_step": True,
        "warmup_init": False,
    },
    "adagrad": {
        "lr": 0.01,
        "lr_decay": 0.0,
        "weight_decay": 0.0,
        "initial_accumulator_value": 0.0,
        "eps": 1e-10,
    },
    "adadelta": {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.0},
    "sgd": {"momentum": 0.0, "dampening": 0, "weight_decay": 0.0, "nesterov": False},
    "rmsprop": {
        "lr": 0.01,
        "alpha": 0.99,
        "eps": 1e-8,
        "weight_decay": 0.0,
        "momentum": 0.0,
        "centered": False,
    },
    "averaged_sgd": {"lr": 0.01, "lambd": 0.0001, "alpha": 0.75, "t0": 1e6, "weight_decay": 0.0},
    "dense_sparse_adam": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8},
}


def model_of(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))


def build(name, model, **options):
    config = {"type": name, **OPTIONS.get(name, {}), **options}
    return Optimizer.from_params(
        Params(config), model_parameters=[list(pair) for pair in model.named_parameters()]
    )


def train(model, optimizer, steps, start=0):
    for step in range(start, start + steps):
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        (model(x) - x.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()


def test_the_registered_names():
    assert Optimizer.list_available()[0] == "adam"
    assert set(Optimizer.list_available()) == {*SPEC_DEFAULTS, "multi"}


@pytest.mark.parametrize("name", SPEC_DEFAULTS)
def test_defaults(name):
    group = build(name, model_of()).param_groups[0]
    assert {key: group[key] for key in SPEC_DEFAULTS[name]} == SPEC_DEFAULTS[name]


@pytest.mark.parametrize("name", OF_TORCH)
def test_updates_are_those_of_torch(name):
    ours, plain = model_of(), model_of()
    optimizer = build(name, ours)
    options = {key: optimizer.param_groups[0][key] for key in SPEC_DEFAULTS[name]}
    train(ours, optimizer, 4)
    train(plain, OF_TORCH[name](plain.parameters(), **{**OPTIONS.get(name, {}), **options}), 4)
    for parameter, expected in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected)


@pytest.mark.parametrize("name", DENSE)
def test_training_goes_on_from_a_saved_state(name, tmp_path):
    model, other = model_of(), model_of(1)
    optimizer, other_optimizer = build(name, model), build(name, other)
    train(model, optimizer, 3)
    torch.save(optimizer.state_dict(), tmp_path / "state.th")
    other.load_state_dict(model.state_dict())
    other_optimizer.load_state_dict(torch.load(tmp_path / "state.th", weights_only=True))
    train(model, optimizer, 3, start=3)
    train(other, other_optimizer, 3, start=3)
    for parameter, expected in zip(other.parameters(), model.parameters(), strict=True):
        assert torch.equal(parameter, expected)


@pytest.mark.parametrize("name", [name for name in SPEC_DEFAULTS if name != "multi"])
def test_parameter_groups_override_options(name):
    key, value = ("eps", (1e-20, 1e-2)) if name == "huggingface_adafactor" else ("lr", 0.5)
    groups = build(name, model_of(), parameter_groups=[[["bias$"], {key: value}]]).param_groups
    assert [len(group["params"]) for group in groups] == [2, 2]
    assert groups[0][key] == value
    assert groups[1][key] == {**SPEC_DEFAULTS[name], **OPTIONS.get(name, {})}[key]


def test_the_default_is_adam():
    model = model_of()
    optimizer = Optimizer.default(list(model.named_parameters()))
    assert isinstance(optimizer, torch.optim.Adam)
    assert len(optimizer.param_groups[0]["params"]) == 4


def test_sgd_needs_a_rate():
    with pytest.raises(ConfigurationError, match='key "lr" is required'):
        Optimizer.from_params(Params({"type": "sgd"}), model_parameters=list(model_of().named_parameters()))


def test_sparse_adam_updates_rows_with_a_gradient():
    embedding = torch.nn.Embedding(5, 2, sparse=True)
    before = embedding.weight.detach().clone()
    optimizer = build("sparse_adam", embedding, lr=0.1)
    embedding(torch.tensor([1, 3])).sum().backward()
    optimizer.step()
    changed = (embedding.weight != before).any(1)
    assert changed.tolist() == [False, True, False, True, False]
