"""torch's optimizers, registered from a table: each takes the options of torch's class, with torch's defaults."""

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch

from nlpreg.common.checks import ConfigurationValueError
from nlpreg.common.config.describe import snake_case
from nlpreg.nn.torch_parts import TorchPart, set_constructor
from nlpreg.training.optimizers.optimizer import (
    Optimizer,
    ParameterGroupsType,
    make_parameter_groups,
    refuse_sparse_gradients,
)
from nlpreg.training.protocols import NamedParameters

_FIRST = [
    inspect.Parameter(
        "model_parameters", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=NamedParameters
    ),
    inspect.Parameter(
        "parameter_groups",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=ParameterGroupsType | None,
    ),
]
_FIRST_DOCS = {
    "model_parameters": "pairs of name and parameter; given by the trainer.",
    "parameter_groups": "groups with options of their own, see `make_parameter_groups`.",
}


class _FusedStepMixin(torch.optim.Optimizer):
    """Makes an optimizer use torch's fused update, a single pass over all parameters, where torch supports it.

    The fused update does not support sparse gradients, so the decision is made at the first step, when the gradients
    exist. `fused_devices` names the types of devices that have the update in every supported version of torch.
    """

    fused_devices: tuple[str, ...] = ("cpu", "cuda")
    _is_undecided = False

    def decide_at_first_step(self, fused: bool | None) -> None:
        """Decide at the first step whether to use the fused update, unless the config sets `fused`."""
        if fused is None:
            self._is_undecided = True
            self.register_step_pre_hook(_FusedStepMixin.decide)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`, with the saved decision."""
        super().load_state_dict(state_dict)
        saved = {group.get("fused") for group in self.param_groups}
        if saved != {None}:
            self._is_undecided = False
            self._step_supports_amp_scaling = saved == {True}

    def can_fuse(self) -> bool:
        """Whether every parameter and gradient is dense, of a floating type and on a device with the fused update."""
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if not parameter.is_floating_point() or parameter.device.type not in self.fused_devices:
                    return False
                if gradient is not None and gradient.layout != torch.strided:
                    return False
                if type(parameter.data) is not torch.Tensor:  # a sharded tensor
                    return False
        return torch.get_default_dtype() == torch.float32

    def decide(self: Any, *_: Any) -> None:
        """Use the fused update from now on, or not; does nothing after the first call."""
        if self._is_undecided:
            self._is_undecided = False
            fused = self.can_fuse()
            self._step_supports_amp_scaling = fused  # as torch's constructors do
            for group in self.param_groups:
                group["fused"] = fused


def register_torch(
    name: str,
    cls: type[torch.optim.Optimizer],
    class_name: str | None = None,
    *,
    required: Sequence[str] = (),
    fused_devices: tuple[str, ...] = ("cpu", "cuda"),
    takes_sparse: bool = False,
) -> type[Optimizer]:
    """Register an optimizer of torch.

    The registered class is derived from torch's. It takes `model_parameters` and `parameter_groups` in place of `params`,
    and has the options, defaults and documentation of torch's class.

    Args:
        name: registered name.
        cls: torch's class.
        class_name: name of the registered class; by default that of torch's class followed by `Optimizer`.
        required: options that must be given, although torch has a default.
        fused_devices: types of devices with the fused update, for a class that has it.
        takes_sparse: whether it supports sparse gradients.
    """
    part = TorchPart.of(cls, skip=("params",), required=required)
    assert part is not None, f"{cls} needs more than a config can give"
    has_fused = any(option.name == "fused" for option in part.options)
    bases = (Optimizer, _FusedStepMixin, cls) if has_fused else (Optimizer, cls)
    made: type[Optimizer] = type(
        class_name or f"{cls.__name__}Optimizer",
        bases,
        {"__module__": __name__, "__doc__": part.docstring(_FIRST_DOCS), "fused_devices": fused_devices},
    )

    def construct(self: Any, options: dict[str, Any]) -> None:
        parameters = list(options.pop("model_parameters"))  # may be an iterator
        if not parameters:
            raise ConfigurationValueError(
                f"optimizer {name}: got no parameters; has the model none, or is this an iterator, such as "
                "model.named_parameters(), that is exhausted? Then pass list(model.named_parameters())"
            )
        groups = make_parameter_groups(parameters, options.pop("parameter_groups"))
        try:
            super(made, self).__init__(params=groups, **options)
        except ValueError as error:
            raise ConfigurationValueError(f"optimizer {name}: {error}") from error
        if not takes_sparse:
            refuse_sparse_gradients(self, name, parameters)
        if has_fused:
            self.decide_at_first_step(options["fused"])

    set_constructor(made, construct, part.signature(first=_FIRST))
    Optimizer.register(name)(made)
    return made


AdamOptimizer = register_torch("adam", torch.optim.Adam)
SparseAdamOptimizer = register_torch("sparse_adam", torch.optim.SparseAdam, takes_sparse=True)
AdamaxOptimizer = register_torch("adamax", torch.optim.Adamax)
AdamWOptimizer = register_torch("adamw", torch.optim.AdamW)
AdagradOptimizer = register_torch("adagrad", torch.optim.Adagrad, fused_devices=("cpu",), takes_sparse=True)
AdadeltaOptimizer = register_torch("adadelta", torch.optim.Adadelta)
SgdOptimizer = register_torch("sgd", torch.optim.SGD, "SgdOptimizer", required=("lr",), takes_sparse=True)
RmsPropOptimizer = register_torch("rmsprop", torch.optim.RMSprop, "RmsPropOptimizer")
AveragedSgdOptimizer = register_torch("averaged_sgd", torch.optim.ASGD, "AveragedSgdOptimizer")
Optimizer.register("asgd")(AveragedSgdOptimizer)


@Optimizer.register("lbfgs")
class LbfgsOptimizer(Optimizer, torch.optim.LBFGS):
    """L-BFGS with one iteration per batch.

    The trainer computes the gradient of a batch once, before the update. Several iterations, or a line search, compute the
    loss again and therefore need a closure, which only Python code can pass (`optimizer.step(closure)`).

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: only to freeze parameters; the algorithm has no options for groups.
        lr: learning rate.
        max_iter: number of iterations per update; 1 in a config.
        max_eval: largest number of evaluations of the loss per update; by default 1.25 times `max_iter`.
        tolerance_grad: an update ends when the gradient is smaller.
        tolerance_change: an update ends when the parameters, or the loss, change by less.
        history_size: number of updates from which the curvature is estimated.
        line_search_fn: `strong_wolfe`, or null for none; null in a config.
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        parameter_groups: ParameterGroupsType | None = None,
        lr: float = 1.0,
        max_iter: int = 1,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        groups = make_parameter_groups(model_parameters, parameter_groups)
        if groups and isinstance(groups[0], dict):
            groups = [parameter for group in groups for parameter in group["params"]]
        super().__init__(
            params=groups,
            lr=lr,
            max_iter=max_iter,
            max_eval=max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )

    @staticmethod
    def check_arguments(
        parameter_groups: ParameterGroupsType | None, max_iter: int, line_search_fn: str | None
    ) -> None:
        """Check that the options need no closure, and that groups only freeze parameters; `nlpreg check` calls this too."""
        if max_iter != 1 or line_search_fn is not None:
            raise ConfigurationValueError(
                "lbfgs: expected max_iter 1 and no line_search_fn, because a trainer evaluates the loss of a batch once; "
                f"got max_iter {max_iter} and line_search_fn {line_search_fn!r}"
            )
        for _, options in parameter_groups or ():
            if options.get("requires_grad") is not False:
                raise ConfigurationValueError(
                    f"lbfgs: expected parameter_groups that freeze parameters only, got the options {options}"
                )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters.

        Args:
            closure: computes the loss and its gradients again; without it, the current gradients are used.

        Raises:
            ValueError: more than one iteration is to be made without a closure.
        """
        step: Callable[..., Any] = super().step
        if closure is None:
            group = self.param_groups[0]
            if group["max_iter"] != 1 or group["line_search_fn"] is not None:
                raise ValueError("lbfgs: several iterations or a line search need `step(closure)`")
            loss = torch.zeros(())  # with a single iteration, the loss is only compared with itself
            return step(lambda: loss)
        return step(closure)


def _register_others() -> None:
    """Register the other optimizers of the installed version of torch, such as `nadam`, `radam` and `muon`."""
    registered = {
        parent
        for name in Optimizer.list_available()
        for parent in Optimizer.resolve_class_name(name)[0].__mro__
    }
    for cls in vars(torch.optim).values():
        if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer) and cls not in registered:
            name = re.sub("^([a-z])_", r"\1", snake_case(cls.__name__))  # NAdam is nadam
            made = register_torch(name, cls)
            globals()[made.__name__] = made  # importable from its `__module__`


_register_others()
