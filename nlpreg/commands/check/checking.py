"""Validation of an experiment before any data is read."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nlpreg.commands.check.preflight import (
    output_folder_problems,
    preflight_problems,
    validation_warnings,
    walk_calls,
)
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.config_file import ConfigFile
from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.kinds import kind_of
from nlpreg.common.config.nodes import Call, Literal, Node
from nlpreg.common.config.problems import ConfigurationProblems, Problem
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.config.resolve import Resolver, extras_of
from nlpreg.common.runtime.environment import SEED_DEFAULTS

_MOST_HOMES = 3
"""If more sections than this accept a key, no section is suggested for it."""


@dataclass
class Checked:
    """The result of a check.

    Args:
        config: the evaluated config; None where it could not be evaluated.
        node: the resolved experiment.
        problems: all problems, in the order of the file.
        file: the file of the config, if any.
        around: the resolved keys of the top level that are not part of the experiment.
        given: the config without the namespaces that were filled in.
        warnings: probable mistakes that do not prevent training.
    """

    config: dict[str, Any] | None
    node: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    file: ConfigFile | None = None
    around: dict[str, Node] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)
    given: Mapping[str, Any] = field(default_factory=dict)

    def resolved_config(self) -> dict[str, Any]:
        """The whole config with every default filled in that JSON can express."""
        assert self.node is not None
        around = {key: node.as_config() for key, node in self.around.items()}
        resolved: dict[str, Any] = {**SEED_DEFAULTS, **around, **self.node.as_config()}
        return resolved


def check_file(
    path: str | os.PathLike[str],
    overrides: str | Mapping[str, Any] = "",
    serialization_dir: str | None = None,
) -> Checked:
    """Check the experiment in a file.

    Args:
        path: path or URL of the config.
        overrides: as on the command line.
        serialization_dir: the output folder; if given, checked to be writable.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigurationError: the file cannot be a config, or the overrides are not an object.
    """
    file = ConfigFile.read(path, overrides)
    checked = Checked(file.config, file=file)
    if file.config is not None:
        checked = check_config(file.config)
        checked.file = file
    found = [problem for problem in checked.problems if not file.is_due_to_unset(problem)]
    checked.problems = [file.located(problem) for problem in [*file.problems, *found]]
    checked.warnings = [file.located(warning) for warning in checked.warnings]
    if serialization_dir is not None:
        checked.problems.extend(output_folder_problems(serialization_dir))
    checked.problems.sort(key=_place)
    return checked


def check_config(config: Mapping[str, Any], fills_namespaces: bool = True) -> Checked:
    """Check an evaluated config: its keys against the constructors, then paths, devices and shapes.

    The registries must have been filled before, by `nlpreg.common.plugins.import_plugins`.

    Args:
        config: the evaluated config.
        fills_namespaces: whether tables of characters that name no namespace get that of their indexer.
    """
    from nlpreg.commands.check.language_model_check import language_model_problems
    from nlpreg.commands.check.name_check import missing_namespaces, name_problems
    from nlpreg.commands.check.shape_check import shape_problems
    from nlpreg.commands.check.trial_check import trial_problems

    given = config
    resolver, around, node = _resolved(config)
    warnings = []
    if isinstance(node, Call) and fills_namespaces:
        for path, namespace, warning in missing_namespaces(node):
            config = _with_value(config, path, namespace)
            warnings.append(warning)
        if warnings:
            resolver, around, node = _resolved(config)
    warnings += validation_warnings(config)
    problems = [_with_its_place(problem, node) for problem in resolver.problems]
    problems += preflight_problems(config, node)
    if isinstance(node, Call):
        strays = {problem.path.rpartition(".")[2] for problem in problems if problem.stray_key}
        problems += [p for p in name_problems(node) if p.path.rpartition(".")[2] not in strays]
        # a section that holds a mistake cannot be built on trial, and fails for a reason that is no news
        faulty = [f"{problem.path}." for problem in problems]
        shapes = shape_problems(node, warnings)
        problems += [p for p in shapes if not any(path.startswith(f"{p.path}.") for path in faulty)]
        problems += trial_problems(node, problems)
        problems += language_model_problems(node)
    return Checked(dict(config), node, problems, around=around, warnings=warnings, given=given)


def _resolved(config: Mapping[str, Any]) -> tuple[Resolver, dict[str, Node], Node]:
    """Resolve a config; return the resolver with its problems, the keys outside of the experiment, and the experiment."""
    from nlpreg.commands.train.experiment import TrainModel

    sections = dict(config)
    resolver = Resolver(extras_of(TrainModel))
    around = {
        key: _resolved_aside(resolver, annotation, sections.pop(key), key)
        for key, annotation in keys_around_the_experiment().items()
        if key in sections
    }
    return resolver, around, resolver.object(TrainModel, sections, "")


def _with_value(config: Any, path: Sequence[str], value: Any) -> Any:
    """A copy of a config with a value at a path."""
    if not path:
        return value
    if not isinstance(config, Mapping):  # not a section, which is a problem of its own
        return config
    inner = config.get(path[0])
    return {**config, path[0]: _with_value({} if inner is None else inner, path[1:], value)}


def _with_its_place(problem: Problem, experiment: Node) -> Problem:
    """The problem of an unknown key, extended by the sections that accept this key."""
    key = problem.stray_key
    homes = [path for path, call in walk_calls(experiment) if key in call.arguments or key in call.defaults]
    if not key or not 1 <= len(homes) <= _MOST_HOMES:
        return problem
    homes = [home or "the top level" for home in homes]
    parent = problem.path.rpartition(".")[0]
    call = next((call for path, call in walk_calls(experiment) if path == parent), None)
    relative = None if call is None else _relative_that_takes(call, key)
    if call is not None and relative is not None:
        mine = (
            f"{' and '.join(homes)} takes one of its own"
            if len(homes) == 1
            else f"{' and '.join(homes)} take their own"
        )
        return replace(
            problem,
            message=f'unknown key: {call.type_name or call.cls.__name__} takes no "{key}" (as {relative} does); {mine}, '
            "which may mean something else",
        )
    return replace(
        problem, message=f'unknown key; "{key}" is a key of {" and of ".join(homes)}: move it there'
    )


def _relative_that_takes(call: Call, key: str) -> str | None:
    """The registered name of another class of the same registry that accepts a key; such a key is not misplaced."""
    for base in getattr(call.cls, "__mro__", ()):
        for name, (cls, _) in REGISTRY.get(base, {}).items():
            if cls is not call.cls and key in signature_of(cls, None).parameters:
                return name
    return None


def keys_around_the_experiment() -> dict[str, Any]:
    """Top-level keys that are used by the commands, and their types."""
    from nlpreg.commands.train.distributed import DistributedConfig
    from nlpreg.evaluation import Evaluator

    seeds: dict[str, Any] = dict.fromkeys(SEED_DEFAULTS, int)
    return {
        **seeds,
        "include_in_archive": list[str],
        "evaluation": Evaluator,
        "distributed": DistributedConfig,
    }


def _resolved_aside(resolver: Resolver, annotation: Any, value: Any, key: str) -> Node:
    if value is None:
        return Literal(None)
    attempt = resolver.child()
    node = attempt.resolve(kind_of(annotation), value, key)
    if (
        key == "distributed" and not attempt.problems
    ):  # it contains only numbers, and checks their combination itself
        try:
            node.build({})
        except ConfigurationError as error:
            place, colon, message = str(error).partition(": ")
            is_place = colon and place.startswith(key) and " " not in place
            attempt.report(place if is_place else key, message if is_place else str(error))
    resolver.problems.extend(attempt.problems)
    return node


def _place(problem: Problem) -> tuple[str, int]:
    name, _, line = problem.location.rpartition(":")
    return (name, int(line)) if line.isdigit() else ("", sys.maxsize)


def report(path: str, problems: list[Problem]) -> str:
    """Format problems: a heading, then for each the key path, the location and what to do."""
    count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
    return "\n".join([f"{path}: {count}", *_lines(path, problems)])


def report_warnings(path: str, warnings: list[Problem]) -> str:
    """Format warnings like problems, see `report`."""
    count = f"{len(warnings)} warning{'s' if len(warnings) != 1 else ''}"
    return "\n".join([f"{path}: {count}", *_lines(path, warnings)])


def _lines(path: str, problems: list[Problem]) -> Iterator[str]:
    folder = os.path.dirname(path)
    for problem in problems:
        place = problem.location
        if folder and place.startswith(folder + os.sep):
            place = place[len(folder) + 1 :]
        where = "  ".join(part for part in (problem.path, f"({place})" if place else "") if part)
        if where:
            yield f"  {where}"
        yield f"      {problem.message}"


def raise_problems(checked: Checked, path: str) -> None:
    """Raise all problems of a check as one error, if there are any.

    Raises:
        ConfigurationProblems: its text is the report.
    """
    if checked.problems:
        raise ConfigurationProblems(checked.problems, report(path, checked.problems))
