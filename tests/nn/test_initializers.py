import logging
from pathlib import Path

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.describe import describe_class
from nlpreg.nn import Initializer, InitializerApplicator
from nlpreg.nn.initializers import (
    PretrainedModelInitializer,
    block_orthogonal,
    lstm_hidden_bias,
    uniform_unit_scaling,
    zero,
)

OPTIONS = {
    "normal": {"mean": 3.0, "std": 0.01},
    "uniform": {"a": 2.0, "b": 2.5},
    "constant": {"val": 7},
    "sparse": {"sparsity": 0.5},
    "block_orthogonal": {"split_sizes": [2, 2]},
    "trunc_normal": {"mean": 1.0, "a": 0.5, "b": 1.5},
}


def model() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))


@pytest.mark.parametrize("name", [name for name in Initializer.list_available() if name != "pretrained"])
def test_every_name_changes_a_tensor_in_place(name: str) -> None:
    shape = (4, 4, 3) if name == "dirac" else (4, 4)
    tensor = torch.nn.Parameter(torch.full(shape, 123.0))
    initializer = Initializer.from_params(Params({"type": name, **OPTIONS.get(name, {})}))
    with torch.no_grad():
        initializer(tensor, parameter_name="x")
    assert (tensor != 123.0).all()
    assert initializer.to_params()["type"] == name


def test_every_function_of_torch_is_registered() -> None:
    functions = [name for name in vars(torch.nn.init) if name.endswith("_") and not name.startswith("_")]
    assert {name.removesuffix("_") for name in functions} <= set(Initializer.list_available())


@pytest.mark.parametrize("name", ["xavier_uniform", "kaiming_normal", "orthogonal", "trunc_normal", "ones"])
def test_values_are_those_of_torch(name: str) -> None:
    ours, theirs = torch.empty(3, 4), torch.empty(3, 4)
    torch.manual_seed(1)
    Initializer.from_params(Params({"type": name}))(ours)
    torch.manual_seed(1)
    getattr(torch.nn.init, f"{name}_")(theirs)
    assert torch.equal(ours, theirs)


def test_the_documentation_is_that_of_torch() -> None:
    description = describe_class(Initializer, "uniform")
    assert description.text == "Fill the input Tensor with values drawn from the uniform distribution."
    assert [(a.name, a.default, a.doc) for a in description.arguments] == [
        ("a", 0.0, "the lower bound of the uniform distribution"),
        ("b", 1.0, "the upper bound of the uniform distribution"),
    ]


def test_values() -> None:
    tensor = torch.empty(200, 200)
    Initializer.from_params(Params({"mean": 3.0, "std": 0.01}))(tensor)
    assert tensor.mean().item() == pytest.approx(3.0, abs=0.01)
    Initializer.from_params(Params({"type": "uniform", **OPTIONS["uniform"]}))(tensor)
    assert tensor.min() >= 2.0
    assert tensor.max() <= 2.5
    Initializer.from_params(Params({"type": "constant", "val": 7}))(tensor)
    assert (tensor == 7).all()
    zero(tensor)
    assert not tensor.any()


def test_block_orthogonal() -> None:
    tensor = torch.zeros(6, 4)
    block_orthogonal(tensor, [3, 4], gain=2.0)
    for rows in (tensor[:3], tensor[3:]):
        torch.testing.assert_close(rows @ rows.t(), 4 * torch.eye(3))
    for split in ([4, 4], [3], [3, 4, 1]):
        with pytest.raises(ConfigurationError, match="cannot be split"):
            block_orthogonal(tensor, split)


def test_uniform_unit_scaling() -> None:
    tensor = torch.zeros(50, 4, 30)
    uniform_unit_scaling(tensor, "relu")
    bound = (3 / 200) ** 0.5 * 2**0.5
    assert tensor.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert tensor.abs().max() <= bound


def test_lstm_hidden_bias() -> None:
    bias = torch.full((8,), 5.0)
    lstm_hidden_bias(bias)
    assert bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_first_matching_pattern_decides() -> None:
    module = model()
    before = module[1].weight.detach().clone()
    config = {
        "regexes": [
            [r"0\.", {"type": "constant", "val": 1}],
            ["weight", {"type": "constant", "val": 2}],
            ["bias", "zero"],
        ],
        "prevent_regexes": [r"1\.weight"],
    }
    InitializerApplicator.from_params(Params(config))(module)
    assert (module[0].weight == 1).all()
    assert (module[0].bias == 1).all()
    assert torch.equal(module[1].weight, before)
    assert not module[1].bias.any()


def test_patterns_that_nothing_matches_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    zero = Initializer.by_name("zero")()
    with caplog.at_level(logging.WARNING):
        InitializerApplicator([("no_such_name", zero), (".", zero), ("bias", zero)], ["no_such_bias"])(
            model()
        )
    assert "initializer: 'no_such_name' matches no parameter; the names most like it are " in caplog.text
    assert "initializer: 'no_such_bias' matches no parameter; the names most like it are " in caplog.text
    assert "initializer: 'bias' initializes nothing, since other expressions come first" in caplog.text


def test_without_patterns_nothing_changes() -> None:
    module = model()
    before = module[0].weight.detach().clone()
    InitializerApplicator()(module)
    assert torch.equal(module[0].weight, before)


def test_pretrained(tmp_path: Path) -> None:
    source, target = model(), model()
    torch.save(source.state_dict(), tmp_path / "weights.th")
    initializer = PretrainedModelInitializer(
        str(tmp_path / "weights.th"), {"1.bias": "1.bias", "0.bias": "1.bias"}
    )
    InitializerApplicator([(r"weight|1\.bias", initializer)])(target)
    assert torch.equal(target[0].weight, source[0].weight)
    assert torch.equal(target[1].bias, source[1].bias)
    with pytest.raises(ConfigurationError, match=r"1\.bias has the shape \(2,\)"):
        initializer(target[0].bias, parameter_name="0.bias")
    with pytest.raises(KeyError):
        initializer(target[0].bias, parameter_name="unknown")
