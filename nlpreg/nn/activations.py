"""Activation functions by name: torch's own, and a few more."""

import torch
from torch import Tensor

from nlpreg.common import Registrable


class Activation(torch.nn.Module, Registrable):
    """An elementwise function that a config names: `"relu"`, or `{"type": "leaky_relu", "negative_slope": 0.1}`.

    Shape:
        any shape -> the same shape.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to every element."""
        raise NotImplementedError(f"{type(self).__name__} does not implement forward")


for _name, _class in {
    "relu": torch.nn.ReLU,
    "relu6": torch.nn.ReLU6,
    "elu": torch.nn.ELU,
    "gelu": torch.nn.GELU,
    "prelu": torch.nn.PReLU,
    "leaky_relu": torch.nn.LeakyReLU,
    "threshold": torch.nn.Threshold,
    "hardtanh": torch.nn.Hardtanh,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "log_sigmoid": torch.nn.LogSigmoid,
    "softplus": torch.nn.Softplus,
    "softshrink": torch.nn.Softshrink,
    "softsign": torch.nn.Softsign,
    "tanhshrink": torch.nn.Tanhshrink,
    "selu": torch.nn.SELU,
    "mish": torch.nn.Mish,
    "swish": torch.nn.SiLU,
}.items():
    Activation.register(_name)(_class)


@Activation.register("linear")
class LinearActivation(Activation):
    """The identity."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the input."""
        return x


# AllenNLP's names
MishActivation = torch.nn.Mish
SwishActivation = torch.nn.SiLU


@Activation.register("gelu_new")
class GeluNew(Activation):
    """The tanh approximation of GELU, as the first GPT used it.

    Source: Hendrycks and Gimpel (2016), https://arxiv.org/abs/1606.08415
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to every element."""
        return torch.nn.functional.gelu(x, approximate="tanh")


@Activation.register("gelu_fast")
class GeluFast(Activation):
    """The tanh approximation of GELU, factored so that `sqrt(2 / pi)` is a constant."""

    _SQRT_2_OVER_PI = 0.7978845608  # ten digits, as in the models trained with it

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to every element."""
        return 0.5 * x * (1.0 + torch.tanh(x * self._SQRT_2_OVER_PI * (1.0 + 0.044715 * x * x)))
