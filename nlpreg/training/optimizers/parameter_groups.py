"""Groups of parameters, chosen by regular expressions on their names, each with options of its own."""

from __future__ import annotations

import logging
import re
from typing import Any, Union

from torch import nn

from nlpreg.common.checks import check_patterns
from nlpreg.training.protocols import NamedParameters

logger = logging.getLogger(__name__)

ParameterGroupsType = list[tuple[list[str], dict[str, Any]]]
"""Pairs of regular expressions and options, as configs give them."""


def make_parameter_groups(
    model_parameters: NamedParameters, groups: ParameterGroupsType | None = None
) -> Union[list[dict[str, Any]], list[nn.Parameter]]:
    """Sort parameters into groups for an optimizer.

    A parameter belongs to a group if one of the group's regular expressions matches anywhere in its name. Options
    that a group does not give are those of the optimizer. The option `"requires_grad": false` freezes the group's
    parameters and leaves them out.

    Args:
        model_parameters: pairs of name and parameter.
        groups: pairs of regular expressions and options.

    Returns:
        Without groups, the parameters. Otherwise a dict `{"params": [...], **options}` for each group in the given
        order, and last a default group without options for all that matched none, even when that is empty.

    Raises:
        ValueError: a parameter matches two groups.
    """
    if not groups:
        _log_number_of_parameters(model_parameters)
        return [parameter for _, parameter in model_parameters]
    check_patterns(parameter_groups=[pattern for patterns, _ in groups for pattern in patterns])
    _warn_of_idle_patterns(model_parameters, groups)
    sorted_groups: list[dict[str, Any]] = [{**options, "params": []} for _, options in groups]
    names: list[list[str]] = [[] for _ in groups]
    left: list[nn.Parameter] = []
    for name, parameter in model_parameters:
        index = _group_of(name, groups)
        if index is None:
            left.append(parameter)
        else:
            sorted_groups[index]["params"].append(parameter)
            names[index].append(name)
    kept: list[dict[str, Any]] = []
    for (patterns, options), group, names_in_group in zip(groups, sorted_groups, names, strict=True):
        if options.get("requires_grad") is False:
            _freeze(patterns, options, group["params"])
        else:
            logger.info("parameter group %s %s: %s", patterns, options, names_in_group)
            group.pop("requires_grad", None)
            kept.append(group)
    logger.info("default parameter group: %d parameters", len(left))
    kept.append({"params": left})
    _log_number_of_parameters(model_parameters)
    return kept


def _group_of(name: str, groups: ParameterGroupsType) -> int | None:
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
        logger.warning("parameter group %s is frozen, so its other options %s do nothing", patterns, ignored)


def _warn_of_idle_patterns(model_parameters: NamedParameters, groups: ParameterGroupsType) -> None:
    for patterns, _ in groups:
        for pattern in patterns:
            if not any(re.search(pattern, name) for name, _ in model_parameters):
                logger.warning("optimizer.parameter_groups: %r matches no parameter", pattern)


def _log_number_of_parameters(model_parameters: NamedParameters) -> None:
    number = sum(parameter.numel() for _, parameter in model_parameters if parameter.requires_grad)
    logger.info("number of trainable parameters: %d", number)
