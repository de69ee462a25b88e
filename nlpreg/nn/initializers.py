"""Initial values of parameters, chosen by the parameters' names.

An initializer changes a tensor in place. Most are torch's own functions under a name, by table.
"""

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import init

from nlpreg.common import FromParams, Registrable
from nlpreg.common.checks import ConfigurationError, check_patterns, unmatched_patterns
from nlpreg.nn.torch_parts import TorchPart, set_constructor
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
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__")


def uniform_unit_scaling(tensor: Tensor, nonlinearity: str = "linear") -> Tensor:
    """Uniform values that keep the scale of a layer's input: from `-gain * sqrt(3 / size)` to the opposite.

    Args:
        tensor: what to fill; its size here is the product of all dimensions but the last.
        nonlinearity: the activation after the layer, which sets the gain; a name that torch knows.

    Source: Sussillo and Abbott (2014), https://arxiv.org/abs/1412.6558
    """
    size = math.prod(tensor.shape[:-1])
    bound = math.sqrt(3 / size) * init.calculate_gain(nonlinearity, tensor)  # type: ignore[arg-type]  # a name from a config
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
    """Calls a function with the options it was made with.

    Args:
        options: keyword arguments of the function.
    """

    function: Callable[..., Any]

    def __init__(self, **options: Any) -> None:
        self._options = options

    def __call__(self, tensor: Tensor, **kwargs: Any) -> None:
        """Fill the tensor."""
        type(self).function(tensor, **self._options)

    def _to_params(self) -> dict[str, Any]:
        names = [name for name in Initializer.list_available() if Initializer.by_name(name) is type(self)]
        return {"type": names[0], **self._options}


def _register_function(
    name: str, function: Callable[..., Any], *, defaults: Mapping[str, Any] | None = None
) -> type[Initializer]:
    """Register a function that fills a tensor in place, such as those of `torch.nn.init`.

    The registered class has the function's options, defaults and documentation; `xavier_normal` is `XavierNormalInitializer`.

    Args:
        name: the name in configs.
        function: its first argument, `tensor`, is filled.
        defaults: default values that differ from the function's.
    """
    part = TorchPart.of(function, skip=("tensor",), defaults=defaults)
    assert part is not None, f"{function} needs more than a config can give"
    made = type(
        "".join(map(str.capitalize, name.split("_"))) + "Initializer",
        (_FunctionInitializer,),
        {"__module__": __name__, "__doc__": part.docstring({}), "function": staticmethod(function)},
    )
    set_constructor(
        made, lambda self, options: _FunctionInitializer.__init__(self, **options), part.signature()
    )
    Initializer.register(name)(made)
    return made


NormalInitializer = _register_function("normal", init.normal_, defaults={"std": 0.1})
UniformInitializer = _register_function("uniform", init.uniform_)
ConstantInitializer = _register_function("constant", init.constant_)
ZeroInitializer = _register_function("zero", zero)
EyeInitializer = _register_function("eye", init.eye_)
DiracInitializer = _register_function("dirac", init.dirac_)
XavierUniformInitializer = _register_function("xavier_uniform", init.xavier_uniform_)
XavierNormalInitializer = _register_function("xavier_normal", init.xavier_normal_)
KaimingUniformInitializer = _register_function("kaiming_uniform", init.kaiming_uniform_)
KaimingNormalInitializer = _register_function("kaiming_normal", init.kaiming_normal_)
OrthogonalInitializer = _register_function("orthogonal", init.orthogonal_)
SparseInitializer = _register_function("sparse", init.sparse_)
BlockOrthogonalInitializer = _register_function("block_orthogonal", block_orthogonal)
UniformUnitScalingInitializer = _register_function("uniform_unit_scaling", uniform_unit_scaling)
LstmHiddenBiasInitializer = _register_function("lstm_hidden_bias", lstm_hidden_bias)


def _register_others() -> None:
    """Register what else the installed torch has: `ones`, `zeros`, `trunc_normal`, ..."""
    for function_name, function in vars(init).items():
        name = function_name.removesuffix("_")
        if function_name.startswith("_") or name == function_name or name in Initializer.list_available():
            continue
        if TorchPart.of(function, skip=("tensor",)) is not None:
            made = _register_function(name, function)
            globals()[made.__name__] = made


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
        names = [name for name, _ in module.named_parameters()]
        for message in unmatched_patterns([*sorted(unused), *self._prevent_regexes], names):
            logger.warning("initializer: %s", message)
        for pattern in sorted(unused):
            if any(re.search(pattern, name) for name in names):
                logger.warning(
                    "initializer: %r initializes nothing, since other expressions come first", pattern
                )
        if untouched and self._initializers:
            logger.info("Parameters left at their default initialization: %s", ", ".join(untouched))

    def _choose(self, name: str) -> tuple[str, Initializer | None]:
        if any(re.search(pattern, name) for pattern in self._prevent_regexes):
            return "", None
        candidates: Iterator[tuple[str, Initializer | None]] = iter(self._initializers)
        return next((found for found in candidates if re.search(found[0], name)), ("", None))


_register_others()
