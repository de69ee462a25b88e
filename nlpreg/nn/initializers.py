"""Initial values of parameters, chosen by the parameters' names.

An initializer changes a tensor in place. Most are torch's own functions under a name.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import init

from nlpreg.common import FromParams, Registrable
from nlpreg.common.checks import ConfigurationError, check_patterns
from nlpreg.nn.util.state_dicts import read_archived_state_dict

logger = logging.getLogger(__name__)


class Initializer(Registrable):
    """Gives a tensor its initial values, in place."""

    default_implementation = "normal"

    def __call__(self, tensor: Tensor, **kwargs: Any) -> None:
        """Fill the tensor.

        Args:
            tensor: what to fill.
            kwargs: `parameter_name`, the dotted name of the parameter, comes from the applicator.
        """
        raise NotImplementedError


def uniform_unit_scaling(tensor: Tensor, nonlinearity: str = "linear") -> Tensor:
    """Uniform values that keep the scale of a layer's input: from `-gain * sqrt(3 / size)` to the opposite.

    Args:
        tensor: what to fill; its size here is the product of all dimensions but the last.
        nonlinearity: the activation after the layer, which sets the gain; a name that torch knows.

    Source: Sussillo and Abbott (2014), https://arxiv.org/abs/1412.6558
    """
    size = math.prod(tensor.shape[:-1])
    bound = math.sqrt(3 / size) * init.calculate_gain(nonlinearity, tensor)  # type: ignore[arg-type]
    return init.uniform_(tensor, -bound, bound)


def block_orthogonal(tensor: Tensor, split_sizes: list[int], gain: float = 1.0) -> None:
    """Fill each block of a tensor with an orthogonal matrix of its own.

    Args:
        tensor: what to fill, for example the joint weights of several gates.
        split_sizes: the size of a block in each dimension.
        gain: factor of all values.

    Raises:
        ConfigurationError: a dimension is not a multiple of its block.
    """
    shape = list(tensor.shape)
    if len(shape) != len(split_sizes) or any(
        size % block for size, block in zip(shape, split_sizes, strict=True)
    ):
        raise ConfigurationError(f"a tensor of shape {shape} cannot be split into blocks of {split_sizes}")
    starts = [range(0, size, block) for size, block in zip(shape, split_sizes, strict=True)]
    for corner in product(*starts):
        block = tuple(slice(start, start + length) for start, length in zip(corner, split_sizes, strict=True))
        with torch.no_grad():
            tensor[block] = init.orthogonal_(tensor[block].contiguous(), gain=gain)


def zero(tensor: Tensor) -> None:
    """Fill with zeros."""
    init.zeros_(tensor)


def lstm_hidden_bias(tensor: Tensor) -> None:
    """Fill the bias of an LSTM with zeros, and with ones for the forget gate, its second quarter.

    Source: Jozefowicz et al. (2015), http://proceedings.mlr.press/v37/jozefowicz15.pdf
    """
    with torch.no_grad():
        tensor.zero_()
        quarter = tensor.shape[0] // 4
        tensor[quarter : 2 * quarter] = 1.0


class _FunctionInitializer(Initializer):
    """Calls a function with the options it was made with."""

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        self._function = function
        self._options = options

    def __call__(self, tensor: Tensor, **kwargs: Any) -> None:
        """Fill the tensor."""
        self._function(tensor, **self._options)

    def _to_params(self) -> dict[str, Any]:
        names = [name for name, entry in Initializer._registry[Initializer].items() if entry[0] is type(self)]
        return {"type": names[0], **self._options}


@Initializer.register("normal")
class NormalInitializer(_FunctionInitializer):
    """Values from a normal distribution.

    Args:
        mean: its mean.
        std: its standard deviation.
    """

    def __init__(self, mean: float = 0.0, std: float = 0.1) -> None:
        super().__init__(init.normal_, mean=mean, std=std)


@Initializer.register("uniform")
class UniformInitializer(_FunctionInitializer):
    """Values from a uniform distribution.

    Args:
        a: lower bound.
        b: upper bound.
    """

    def __init__(self, a: float = 0.0, b: float = 1.0) -> None:
        super().__init__(init.uniform_, a=a, b=b)


@Initializer.register("constant")
class ConstantInitializer(_FunctionInitializer):
    """The same value everywhere.

    Args:
        val: the value.
    """

    def __init__(self, val: float) -> None:
        super().__init__(init.constant_, val=val)


@Initializer.register("zero")
class ZeroInitializer(_FunctionInitializer):
    """Zeros."""

    def __init__(self) -> None:
        super().__init__(zero)


@Initializer.register("eye")
class EyeInitializer(_FunctionInitializer):
    """The identity matrix, for two-dimensional tensors."""

    def __init__(self) -> None:
        super().__init__(init.eye_)


@Initializer.register("dirac")
class DiracInitializer(_FunctionInitializer):
    """The weights of a convolution that passes its input on."""

    def __init__(self) -> None:
        super().__init__(init.dirac_)


@Initializer.register("xavier_uniform")
class XavierUniformInitializer(_FunctionInitializer):
    """Uniform values after Glorot and Bengio (2010).

    Args:
        gain: factor of the bounds.
    """

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(init.xavier_uniform_, gain=gain)


@Initializer.register("xavier_normal")
class XavierNormalInitializer(_FunctionInitializer):
    """Normal values after Glorot and Bengio (2010).

    Args:
        gain: factor of the standard deviation.
    """

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(init.xavier_normal_, gain=gain)


@Initializer.register("kaiming_uniform")
class KaimingUniformInitializer(_FunctionInitializer):
    """Uniform values after He et al. (2015).

    Args:
        a: negative slope of the rectifier that follows.
        mode: "fan_in" keeps the scale forwards, "fan_out" backwards.
        nonlinearity: the activation that follows; a name that torch knows.
    """

    def __init__(self, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> None:
        super().__init__(init.kaiming_uniform_, a=a, mode=mode, nonlinearity=nonlinearity)


@Initializer.register("kaiming_normal")
class KaimingNormalInitializer(_FunctionInitializer):
    """Normal values after He et al. (2015).

    Args:
        a: negative slope of the rectifier that follows.
        mode: "fan_in" keeps the scale forwards, "fan_out" backwards.
        nonlinearity: the activation that follows; a name that torch knows.
    """

    def __init__(self, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> None:
        super().__init__(init.kaiming_normal_, a=a, mode=mode, nonlinearity=nonlinearity)


@Initializer.register("orthogonal")
class OrthogonalInitializer(_FunctionInitializer):
    """An orthogonal matrix after Saxe et al. (2013).

    Args:
        gain: factor of all values.
    """

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(init.orthogonal_, gain=gain)


@Initializer.register("sparse")
class SparseInitializer(_FunctionInitializer):
    """Normal values, with some of each column zero, after Martens (2010).

    Args:
        sparsity: share of zeros in each column, from 0 to 1.
        std: standard deviation of the others.
    """

    def __init__(self, sparsity: float, std: float = 0.01) -> None:
        super().__init__(init.sparse_, sparsity=sparsity, std=std)


@Initializer.register("block_orthogonal")
class BlockOrthogonalInitializer(_FunctionInitializer):
    """An orthogonal matrix in each block, see `block_orthogonal`.

    Args:
        split_sizes: the size of a block in each dimension.
        gain: factor of all values.
    """

    def __init__(self, split_sizes: list[int], gain: float = 1.0) -> None:
        super().__init__(block_orthogonal, split_sizes=split_sizes, gain=gain)


@Initializer.register("uniform_unit_scaling")
class UniformUnitScalingInitializer(_FunctionInitializer):
    """Uniform values that keep the scale of a layer's input, see `uniform_unit_scaling`.

    Args:
        nonlinearity: the activation that follows; a name that torch knows.
    """

    def __init__(self, nonlinearity: str = "linear") -> None:
        super().__init__(uniform_unit_scaling, nonlinearity=nonlinearity)


@Initializer.register("lstm_hidden_bias")
class LstmHiddenBiasInitializer(_FunctionInitializer):
    """Zeros, and ones for the forget gate of an LSTM, see `lstm_hidden_bias`."""

    def __init__(self) -> None:
        super().__init__(lstm_hidden_bias)


@Initializer.register("pretrained")
class PretrainedModelInitializer(Initializer):
    """Values of a parameter in a saved model.

    Args:
        weights_file_path: a saved state dict, or an archive that holds one.
        parameter_name_overrides: name in the file of a parameter, where it differs from the name here.
    """

    def __init__(
        self, weights_file_path: str, parameter_name_overrides: dict[str, str] | None = None
    ) -> None:
        self.weights = read_archived_state_dict(weights_file_path)
        self.parameter_name_overrides = parameter_name_overrides or {}

    def __call__(self, tensor: Tensor, **kwargs: Any) -> None:
        """Copy the weights of the same, or the overridden, name.

        Raises:
            KeyError: the file has no weights of that name.
            ConfigurationError: they have another shape.
        """
        parameter_name = kwargs["parameter_name"]
        name = self.parameter_name_overrides.get(parameter_name, parameter_name)
        source = self.weights[name]
        if source.shape != tensor.shape:
            raise ConfigurationError(
                f"{name} has the shape {tuple(source.shape)} in the file, but {parameter_name} needs "
                f"{tuple(tensor.shape)}"
            )
        with torch.no_grad():
            tensor.copy_(source)


class InitializerApplicator(FromParams):
    """Initializes the parameters of a module by their names.

    Args:
        regexes: pairs of a regular expression and an initializer. Of the expressions found in a parameter's name,
            the first in the list decides; a parameter whose name has none of them stays as it is.
        prevent_regexes: a parameter whose name has one of these stays as it is in any case.
    """

    def __init__(
        self, regexes: list[tuple[str, Initializer]] | None = None, prevent_regexes: list[str] | None = None
    ) -> None:
        self.check_arguments(regexes, prevent_regexes)
        self._initializers = list(regexes or ())
        self._prevent_regexes = list(prevent_regexes or ())

    @staticmethod
    def check_arguments(
        regexes: Sequence[tuple[str, object]] | None, prevent_regexes: Sequence[str] | None
    ) -> None:
        """Make sure that the patterns are regular expressions; `nlpreg check` does so too."""
        check_patterns(regexes=[pattern for pattern, _ in regexes or ()], prevent_regexes=prevent_regexes)

    def __call__(self, module: torch.nn.Module) -> None:
        """Initialize every parameter that an expression applies to, and log the others."""
        unused = {pattern for pattern, _ in self._initializers}
        untouched = []
        for name, parameter in module.named_parameters():
            pattern, initializer = self._choose(name)
            if initializer is None:
                untouched.append(name)
                continue
            unused.discard(pattern)
            logger.info("Initializing %s by the pattern %r", name, pattern)
            with torch.no_grad():
                initializer(parameter, parameter_name=name)
        for pattern in sorted(unused):
            logger.warning("No parameter was initialized by the pattern %r", pattern)
        if untouched and self._initializers:
            logger.info("Parameters left at their default initialization: %s", ", ".join(untouched))

    def _choose(self, name: str) -> tuple[str, Initializer | None]:
        if any(re.search(pattern, name) for pattern in self._prevent_regexes):
            return "", None
        candidates: Sequence[tuple[str, Initializer]] = self._initializers
        return next(
            ((pattern, found) for pattern, found in candidates if re.search(pattern, name)), ("", None)
        )
