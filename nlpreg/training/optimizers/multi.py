"""Several optimizers, each for a part of the parameters."""

import re
from typing import Any

from nlpreg.common import Lazy
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.optimizers.optimizer import Optimizer, ParameterGroupsType, evaluate
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("multi")
class MultiOptimizer(Optimizer):
    """Assigns each group of parameters to one of several optimizers.

    Its `param_groups` contain the dictionaries of its optimizers themselves, so that a scheduler of this optimizer also
    sets the rates of those.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        optimizers: the optimizers by name; one must be named `default`.
        parameter_groups: as in `make_parameter_groups`; the option `optimizer_name` selects the optimizer. A
            parameter belongs to the optimizer of the first group that it matches, otherwise to `default`.

    Raises:
        ConfigurationError: there is no optimizer `default`, a group names one that does not exist, or one has no
            parameters.
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        optimizers: dict[str, Lazy[Optimizer]],
        parameter_groups: ParameterGroupsType,
    ) -> None:
        if "default" not in optimizers:
            raise ConfigurationError(
                f'optimizer.optimizers: expected one named "default", got {sorted(optimizers)}; it gets the '
                "parameters of all other groups"
            )
        model_parameters = list(model_parameters)  # may be an iterator
        shares = _shares(model_parameters, optimizers, parameter_groups)
        self.optimizers: dict[str, Optimizer] = {}
        for name, optimizer in optimizers.items():
            parameters, groups = shares[name]
            if parameters:
                self.optimizers[name] = optimizer.construct(
                    model_parameters=parameters, parameter_groups=groups
                )
            elif name != "default":
                raise ConfigurationError(
                    f"optimizer.optimizers.{name}: it has no parameters; its groups in parameter_groups match none"
                )
        self.defaults = {}
        super().__init__([parameter for _, parameter in model_parameters], {})
        self.param_groups = [
            group for optimizer in self.optimizers.values() for group in optimizer.param_groups
        ]

    def step(self, closure: Any = None) -> Any:
        """Update the parameters from their gradients."""
        loss = evaluate(closure)
        for optimizer in self.optimizers.values():
            optimizer.step()
        return loss

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Clear the gradients."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The states of the optimizers, by their names followed by `_optimizer`."""
        return {f"{name}_optimizer": optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state_dict[f"{name}_optimizer"])
        self.param_groups = [
            group for optimizer in self.optimizers.values() for group in optimizer.param_groups
        ]


def _shares(
    model_parameters: NamedParameters,
    optimizers: dict[str, Lazy[Optimizer]],
    parameter_groups: ParameterGroupsType,
) -> dict[str, tuple[NamedParameters, ParameterGroupsType]]:
    """The parameters of each optimizer, and its groups without the name of the optimizer."""
    shares: dict[str, tuple[NamedParameters, ParameterGroupsType]] = {name: ([], []) for name in optimizers}
    owners: list[str] = []
    for index, (patterns, options) in enumerate(parameter_groups):
        owner = options.get("optimizer_name", "default")
        if owner not in optimizers:
            raise ConfigurationError(
                f"optimizer.parameter_groups.{index}.optimizer_name: expected one of {sorted(optimizers)}, got {owner!r}"
            )
        owners.append(owner)
        rest = {key: value for key, value in options.items() if key != "optimizer_name"}
        shares[owner][1].append((patterns, rest))
    for name, parameter in model_parameters:
        matching = (
            owner
            for owner, (patterns, _) in zip(owners, parameter_groups, strict=True)
            if any(re.search(pattern, name) for pattern in patterns)
        )
        shares[next(matching, "default")][0].append((name, parameter))
    return shares
