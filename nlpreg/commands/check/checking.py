"""Validation of an experiment before any data is read."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nlpreg.commands.check.preflight import output_folder_problems, preflight_problems, validation_warnings
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.config_file import ConfigFile
from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.kinds import kind_of
from nlpreg.common.config.nodes import Call, Literal, Node, walk_calls
from nlpreg.common.config.problems import ConfigurationProblems, Problem
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.config.resolve import Resolver, extras_of
from nlpreg.common.runtime.environment import SEED_DEFAULTS

_MAX_SECTIONS = 3
"""If more sections than this accept a key, none is suggested."""


@dataclass
class Checked:
    """The result of a check.

    Args:
        config: the evaluated config; None if it could not be evaluated.
        node: the resolved experiment.
        problems: all problems, in the order of the file.
        file: the file of the config, if any.
        command_nodes: the resolved keys of the top level that commands use, see `command_keys`.
        given: the config without the namespaces that were filled in.
        warnings: probable mistakes that do not prevent training.
    """

    config: dict[str, Any] | None
    node: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    file: ConfigFile | None = None
    command_nodes: dict[str, Node] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)
    given: Mapping[str, Any] = field(default_factory=dict)

    def resolved_config(self) -> dict[str, Any]:
        """The whole config with every default that JSON can express."""
        assert self.node is not None
        command_config = {key: node.as_config() for key, node in self.command_nodes.items()}
        resolved: dict[str, Any] = {**SEED_DEFAULTS, **command_config, **self.node.as_config()}
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
    checked.problems.sort(key=_file_and_line)
    return checked


def check_config(config: Mapping[str, Any], fills_namespaces: bool = True) -> Checked:
    """Check an evaluated config: its keys against the constructors, then paths, devices and shapes.

    Call `nlpreg.common.plugins.import_plugins` first, which fills the registries.

    Args:
        config: the evaluated config.
        fills_namespaces: whether embeddings of characters without a namespace get that of their indexer.
    """
    from nlpreg.commands.check.language_model_check import language_model_problems
    from nlpreg.commands.check.name_check import missing_namespaces, name_problems
    from nlpreg.commands.check.shape_check import shape_problems
    from nlpreg.commands.check.trial_check import trial_problems

    given = config
    resolver, command_nodes, node = _resolved(config)
    warnings = []
    if isinstance(node, Call) and fills_namespaces:
        for path, namespace, warning in missing_namespaces(node):
            config = _with_value(config, path, namespace)
            warnings.append(warning)
        if warnings:
            resolver, command_nodes, node = _resolved(config)
    warnings += validation_warnings(config)
    problems = [_with_matching_sections(problem, node) for problem in resolver.problems]
    problems += preflight_problems(config, node)
    if isinstance(node, Call):
        strays = {problem.path.rpartition(".")[2] for problem in problems if problem.stray_key}
        problems += [p for p in name_problems(node) if p.path.rpartition(".")[2] not in strays]
        # a section with a mistake cannot be built on trial; its failure would only repeat that mistake
        faulty = [f"{problem.path}." for problem in problems]
        shapes = shape_problems(node, warnings)
        problems += [p for p in shapes if not any(path.startswith(f"{p.path}.") for path in faulty)]
        problems += trial_problems(node, problems)
        problems += language_model_problems(node)
    return Checked(dict(config), node, problems, command_nodes=command_nodes, warnings=warnings, given=given)


def _resolved(config: Mapping[str, Any]) -> tuple[Resolver, dict[str, Node], Node]:
    """Resolve a config; return the resolver with its problems, the keys of commands, and the experiment."""
    from nlpreg.commands.train.experiment import TrainModel

    sections = dict(config)
    resolver = Resolver(extras_of(TrainModel))
    command_nodes = {
        key: _resolved_command_key(resolver, annotation, sections.pop(key), key)
        for key, annotation in command_keys().items()
        if key in sections
    }
    return resolver, command_nodes, resolver.object(TrainModel, sections, "")


def _with_value(config: Any, path: Sequence[str], value: Any) -> Any:
    """A copy of a config with a value at a path."""
    if not path:
        return value
    if isinstance(config, list):
        return [
            _with_value(item, path[1:], value) if str(number) == path[0] else item
            for number, item in enumerate(config)
        ]
    if not isinstance(config, Mapping):  # not a section; reported as a problem elsewhere
        return config
    inner = config.get(path[0])
    return {**config, path[0]: _with_value({} if inner is None else inner, path[1:], value)}


def _with_matching_sections(problem: Problem, experiment: Node) -> Problem:
    """The problem of an unknown key, extended by the sections that accept this key."""
    key = problem.stray_key
    sections = [
        path or "the top level"
        for path, call in walk_calls(experiment)
        if key in call.arguments or key in call.defaults
    ]
    if not key or not 1 <= len(sections) <= _MAX_SECTIONS:
        return problem
    parent = problem.path.rpartition(".")[0]
    call = next((call for path, call in walk_calls(experiment) if path == parent), None)
    sibling = None if call is None else _sibling_that_takes(call, key)
    if call is None or sibling is None:
        return replace(
            problem, message=f'unknown key; "{key}" is a key of {" and of ".join(sections)}: move it there'
        )
    others = f"{' and '.join(sections)} {'takes' if len(sections) == 1 else 'take'} a key of this name"
    return replace(
        problem,
        message=f'unknown key: {call.type_name or call.cls.__name__} takes no "{key}" (as {sibling} does); {others}, which '
        "may mean something else",
    )


def _sibling_that_takes(call: Call, key: str) -> str | None:
    """The registered name of another class of the same registry that accepts a key; such a key is not misplaced."""
    for base in getattr(call.cls, "__mro__", ()):
        for name, (cls, _) in REGISTRY.get(base, {}).items():
            if cls is not call.cls and key in signature_of(cls, None).parameters:
                return name
    return None


def command_keys() -> dict[str, Any]:
    """The top-level keys that commands use themselves, with their types."""
    from nlpreg.commands.train.distributed import DistributedConfig
    from nlpreg.evaluation import Evaluator

    seeds: dict[str, Any] = dict.fromkeys(SEED_DEFAULTS, int)
    return {
        **seeds,
        "include_in_archive": list[str],
        "evaluation": Evaluator,
        "distributed": DistributedConfig,
    }


def _resolved_command_key(resolver: Resolver, annotation: Any, value: Any, key: str) -> Node:
    if value is None:
        return Literal(None)
    attempt = resolver.child()
    node = attempt.resolve(kind_of(annotation), value, key)
    # the constructor of this section checks the combination of its values, and does nothing else
    if key == "distributed" and not attempt.problems:
        try:
            node.build({})
        except ConfigurationError as error:
            path, colon, message = str(error).partition(": ")
            has_path = colon and path.startswith(key) and " " not in path
            attempt.report(path if has_path else key, message if has_path else str(error))
    resolver.problems.extend(attempt.problems)
    return node


def _file_and_line(problem: Problem) -> tuple[str, int]:
    name, _, line = problem.location.rpartition(":")
    return (name, int(line)) if line.isdigit() else ("", sys.maxsize)


def report(path: str, problems: list[Problem], kind: str = "problem") -> str:
    """Format problems, or warnings: a heading, then for each the key path, the location and the message."""
    return "\n".join(_lines(path, problems, kind))


def _lines(path: str, problems: list[Problem], kind: str) -> Iterator[str]:
    yield f"{path}: {len(problems)} {kind}{'s' if len(problems) != 1 else ''}"
    folder = os.path.dirname(path)
    for problem in problems:
        location = problem.location
        if folder and location.startswith(folder + os.sep):
            location = location[len(folder) + 1 :]
        where = "  ".join(part for part in (problem.path, f"({location})" if location else "") if part)
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
