import math

import pytest
import torch

from nlpreg.common import Params
from nlpreg.nn import Activation

X = torch.tensor([-3.0, -0.5, 0.0, 0.7, 4.0])

OWN = {
    "linear": lambda x: x,
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "swish": lambda x: x / (1 + math.exp(-x)),
    "gelu_new": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_fast": lambda x: 0.5 * x * (1 + math.tanh(0.7978845608 * x * (1 + 0.044715 * x * x))),
    "relu": lambda x: max(x, 0.0),
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softsign": lambda x: x / (1 + abs(x)),
}


@pytest.mark.parametrize("name", OWN)
def test_values(name: str) -> None:
    expected = torch.tensor([OWN[name](x) for x in X.tolist()])
    torch.testing.assert_close(Activation.by_name(name)()(X), expected)


@pytest.mark.parametrize("name", [name for name in Activation.list_available() if name != "threshold"])
def test_every_name_builds_a_module(name: str) -> None:
    activation = Activation.from_params(Params({"type": name}))
    assert isinstance(activation, torch.nn.Module)
    assert activation(X).shape == X.shape


def test_names_of_the_interface() -> None:
    expected = (
        "relu relu6 elu gelu prelu leaky_relu threshold hardtanh sigmoid tanh log_sigmoid softplus softshrink "
        "softsign tanhshrink selu linear mish swish gelu_new gelu_fast"
    )
    assert set(expected.split()) <= set(Activation.list_available())


def test_options_and_bare_strings() -> None:
    leaky = Activation.from_params(Params({"type": "leaky_relu", "negative_slope": 0.5}))
    assert leaky(torch.tensor(-2.0)).item() == -1.0
    assert isinstance(Activation.from_params("relu"), torch.nn.ReLU)
    threshold = Activation.from_params(Params({"type": "threshold", "threshold": 1.0, "value": 9.0}))
    assert threshold(torch.tensor([0.0, 2.0])).tolist() == [9.0, 2.0]
