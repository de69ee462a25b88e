"""`Optimizer`, the base class of the optimizers, and groups of parameters with options of their own."""

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any, Union

import torch
from torch import nn

from nlpreg.common import Params, Registrable
from nlpreg.common.checks import ConfigurationError, check_patterns, did_you_mean, unmatched_patterns
from nlpreg.training.protocols import NamedParameters

logger = logging.getLogger(__name__)

ParameterGroupsType = list[tuple[list[str], dict[str, Any]]]
"""Pairs of regular expressions and options, as in configs."""

# Entries of a parameter group that are not options: the parameters, their names, and values that schedulers store.
_ENTRIES_OF_TORCH = re.compile(r"params|param_names|initial_\w+|(max|min)_lr|(base|max)_momentum|swa_lr")


class Optimizer(torch.optim.Optimizer, Registrable):
    """A torch optimizer that can be built from a config.

    The constructor of a registered optimizer takes `model_parameters` (pairs of name and parameter, given by the trainer),
    `parameter_groups` (see `make_parameter_groups`), and its options.
    """

    constructor_extras = frozenset(["model_parameters", "parameter_groups"])

    default_implementation = "adam"

    @staticmethod
    def default(model_parameters: NamedParameters) -> "Optimizer":
        """The default optimizer with its default options.

        Args:
            model_parameters: pairs of name and parameter.
        """
        return Optimizer.from_params(params=Params({}), model_parameters=model_parameters)


def evaluate(closure: Callable[[], Any] | None) -> Any:
    """The loss that the closure of an optimizer's `step` computes, with gradients; None without a closure."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def refuse_sparse_gradients(
    optimizer: torch.optim.Optimizer, name: str, model_parameters: NamedParameters
) -> None:
    """Register a hook that, at the first step, raises a `ConfigurationError` if a parameter has a sparse gradient.

    Args:
        optimizer: an optimizer that needs dense gradients.
        name: its registered name.
        model_parameters: pairs of name and parameter.
    """
    is_first_step = True  # a hook must not remove itself while torch iterates over the hooks

    def check(*_: Any) -> None:
        nonlocal is_first_step
        if not is_first_step:
            return
        is_first_step = False
        for parameter_name, parameter in model_parameters:
            if parameter.grad is not None and parameter.grad.layout == torch.sparse_coo:
                raise ConfigurationError(
                    f"trainer.optimizer: {name} cannot use the sparse gradient of {parameter_name}; choose "
                    "dense_sparse_adam, or sgd or adagrad, or set `sparse` of the embedding (`sparse_embeddings` of a "
                    "language model) to false"
                )

    optimizer.register_step_pre_hook(check)


def check_group_options(optimizer: torch.optim.Optimizer) -> None:
    """Check the options of an optimizer's parameter groups; torch itself would silently ignore unknown ones.

    Args:
        optimizer: the optimizer; schedulers may have added entries to its groups.

    Raises:
        ConfigurationError: a group has an option that the optimizer does not have.
    """
    inner = getattr(optimizer, "optimizers", {"": optimizer})
    for part in inner.values():
        if not type(part).__module__.startswith("nlpreg."):
            continue  # the class of a plugin may read options for which it has no default
        known = part.defaults.keys()
        given = {name for group in part.param_groups for name in group}
        for option in sorted(given - known):
            if not _ENTRIES_OF_TORCH.fullmatch(option):
                raise ConfigurationError(
                    f"trainer.optimizer.parameter_groups: {type(part).__name__} has no option "
                    f"{option!r}{did_you_mean(option, known)}"
                )


def make_parameter_groups(
    model_parameters: Iterable[tuple[str, nn.Parameter]], groups: ParameterGroupsType | None = None
) -> Union[list[dict[str, Any]], list[nn.Parameter]]:
    """Sort parameters into groups for an optimizer.

    A parameter belongs to a group if one of the group's regular expressions matches anywhere in its name. Options
    that a group does not set are those of the optimizer. The option `"requires_grad": false` freezes the group's
    parameters and excludes them.

    Args:
        model_parameters: pairs of name and parameter, such as `model.named_parameters()`.
        groups: pairs of regular expressions and options.

    Returns:
        Without groups, the parameters. Otherwise a dict `{"params": [...], **options}` for each group in the given
        order, followed by the default group, without options, of all other parameters; it may be empty.

    Raises:
        ValueError: a parameter matches two groups.
    """
    model_parameters = list(model_parameters)  # may be an iterator
    if not groups:
        _log_number_of_parameters(model_parameters)
        return [parameter for _, parameter in model_parameters]
    patterns = [pattern for group, _ in groups for pattern in group]
    check_patterns(parameter_groups=patterns)
    for message in unmatched_patterns(patterns, [name for name, _ in model_parameters]):
        logger.warning("optimizer.parameter_groups: %s", message)
    left: NamedParameters = []
    shares: list[NamedParameters] = [[] for _ in groups]
    for name, parameter in model_parameters:
        index = _group_of(name, groups)
        (left if index is None else shares[index]).append((name, parameter))
    kept: list[dict[str, Any]] = []
    for (patterns, options), share in zip(groups, shares, strict=True):
        parameters = [parameter for _, parameter in share]
        if options.get("requires_grad") is False:
            _freeze(patterns, options, parameters)
        else:
            logger.info("parameter group %s %s: %s", patterns, options, [name for name, _ in share])
            others = {name: value for name, value in options.items() if name != "requires_grad"}
            kept.append({**others, "params": parameters})
    logger.info("default parameter group: %d parameters", len(left))
    # even if empty: gradual unfreezing relies on it
    kept.append({"params": [parameter for _, parameter in left]})
    _log_number_of_parameters(model_parameters)
    return kept


def _group_of(name: str, groups: ParameterGroupsType) -> int | None:
    """The number of the group that a parameter belongs to; None for the default group.

    Raises:
        ValueError: its name matches several groups.
    """
    found = [index for index, (patterns, _) in enumerate(groups) if any(re.search(p, name) for p in patterns)]
    if len(found) > 1:
        raise ValueError(
            f"optimizer.parameter_groups: the parameter {name!r} matches groups {found[0]} "
            f"({groups[found[0]][0]}) and {found[1]} ({groups[found[1]][0]}); write them so that each parameter "
            "matches one group at most"
        )
    return found[0] if found else None


def _freeze(patterns: list[str], options: dict[str, Any], parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.requires_grad = False
    logger.info("parameter group %s: %d parameters are frozen", patterns, len(parameters))
    if len(options) > 1:
        ignored = sorted(set(options) - {"requires_grad"})
        logger.warning(
            "parameter group %s is frozen, so its other options %s have no effect", patterns, ignored
        )


def _log_number_of_parameters(model_parameters: NamedParameters) -> None:
    number = sum(parameter.numel() for _, parameter in model_parameters if parameter.requires_grad)
    logger.info("number of trainable parameters: %d", number)
