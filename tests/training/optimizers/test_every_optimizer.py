"""What holds for every registered optimizer."""

import inspect

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.describe import describe_class
from nlpreg.common.config.hints import signature_of
from nlpreg.training.optimizers import Optimizer

OPTIONS = {"sgd": {"lr": 0.1}, "multi": {"optimizers": {"default": "adam"}, "parameter_groups": []}}
# muon takes matrices only, and sparse_adam sparse gradients only
DENSE = [name for name in Optimizer.list_available() if name not in ("sparse_adam", "muon")]
OF_TORCH = {
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "averaged_sgd": torch.optim.ASGD,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rprop": torch.optim.Rprop,
    "adafactor": torch.optim.Adafactor,
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
    assert set(Optimizer.list_available()) >= {*SPEC_DEFAULTS, "multi"}


def test_every_optimizer_of_torch_is_registered():
    of_torch = [
        cls
        for cls in vars(torch.optim).values()
        if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)
    ]
    registered = [Optimizer.by_name(name) for name in Optimizer.list_available()]
    assert [cls for cls in of_torch if not any(issubclass(other, cls) for other in registered)] == []
    assert {"nadam", "radam", "rprop", "asgd", "adafactor", "lbfgs"} <= set(Optimizer.list_available())


@pytest.mark.parametrize("name", OF_TORCH)
def test_options_and_defaults_are_those_of_torch(name):
    ours = signature_of(Optimizer.by_name(name)).parameters
    plain = inspect.signature(OF_TORCH[name]).parameters
    assert set(plain) - set(ours) == {"params"} | (set(plain) & {"differentiable", "capturable"})
    for option in set(ours) & set(plain) - ({"lr"} if name == "sgd" else set()):
        assert ours[option].default == plain[option].default


def test_a_wrong_option_is_named():
    with pytest.raises(ConfigurationError, match=r"optimizer adam: Invalid beta parameter at index 0: 1\.5"):
        build("adam", model_of(), betas=[1.5, 0.9])


def test_the_documentation_is_that_of_torch():
    description = describe_class(Optimizer, "adamw")
    assert description.text.startswith("Implements AdamW algorithm")
    assert (
        "Source: Decoupled Weight Decay Regularization, https://arxiv.org/abs/1711.05101" in description.text
    )
    docs = {argument.name: argument.doc for argument in description.arguments}
    assert docs["weight_decay"] == "weight decay coefficient"


@pytest.mark.parametrize("name", ["adam", "multi", "dense_sparse_adam"])
def test_parameters_may_come_from_an_iterator(name):
    model = model_of()
    groups = [[["weight"], {"lr": 0.5}]]
    config = {"type": name, **OPTIONS.get(name, {}), "parameter_groups": groups}
    optimizer = Optimizer.from_params(Params(config), model_parameters=model.named_parameters())
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2]


def test_lbfgs_makes_one_iteration_of_a_batch():
    weight = torch.nn.Parameter(torch.tensor([4.0, -2.0]))
    optimizer = Optimizer.from_params(Params({"type": "lbfgs"}), model_parameters=[("weight", weight)])
    for _ in range(8):
        optimizer.zero_grad()
        (weight * torch.tensor([1.0, 3.0]) - 3.0).square().sum().backward()
        optimizer.step()
    torch.testing.assert_close(weight, torch.tensor([3.0, 1.0]), atol=1e-4, rtol=0)


def test_lbfgs_refuses_what_needs_a_closure():
    with pytest.raises(
        ConfigurationError, match="a trainer evaluates the loss of a batch once; got max_iter 20"
    ):
        build("lbfgs", model_of(), max_iter=20)
    optimizer = Optimizer.by_name("lbfgs")([("w", torch.nn.Parameter(torch.ones(1)))], max_iter=20)
    with pytest.raises(ValueError, match=r"need `step\(closure\)`"):
        optimizer.step()


@pytest.mark.parametrize("name", SPEC_DEFAULTS)
def test_defaults(name):
    group = build(name, model_of()).param_groups[0]
    assert {key: group[key] for key in SPEC_DEFAULTS[name]} == SPEC_DEFAULTS[name]


@pytest.mark.parametrize("name", OF_TORCH)
def test_updates_are_those_of_torch(name):
    ours, plain = model_of(), model_of()
    optimizer = build(name, ours)
    options = {key: optimizer.param_groups[0][key] for key in SPEC_DEFAULTS.get(name, {})}
    train(ours, optimizer, 4)
    train(plain, OF_TORCH[name](plain.parameters(), **{**OPTIONS.get(name, {}), **options}), 4)
    for parameter, expected in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected)


@pytest.mark.parametrize("name", DENSE)
def test_training_resumes_from_a_saved_state(name, tmp_path):
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


TAKE_SPARSE = {"sgd", "adagrad", "sparse_adam", "dense_sparse_adam"}


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # about what torch itself does
@pytest.mark.parametrize("name", sorted(set(Optimizer.list_available()) - {"multi", "lbfgs", "muon"}))
def test_sparse_gradients_are_used_or_refused_by_name(name):
    module = torch.nn.ModuleDict({"words": torch.nn.Embedding(5, 2, sparse=True)})
    optimizer = build(name, module)
    module["words"](torch.tensor([1, 3])).sum().backward()
    if name in TAKE_SPARSE:
        optimizer.step()
        return
    known = name if name != "asgd" else "averaged_sgd"
    message = rf"trainer\.optimizer: {known} cannot use the sparse gradient of words\.weight; choose dense_sparse_adam"
    with pytest.raises(ConfigurationError, match=message):
        optimizer.step()
