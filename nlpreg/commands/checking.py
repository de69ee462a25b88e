"""Everything that can be known to be wrong with an experiment before it reads a byte of data."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nlpreg.common.annotations import AnnotationResolver
from nlpreg.common.config_file import ConfigFile
from nlpreg.common.nodes import Call, Node
from nlpreg.common.problems import ConfigurationProblems, Problem
from nlpreg.common.resolve import Resolver

__all__ = ["Checked", "check_config", "check_file", "raise_problems", "report"]

_SEEDS = ("random_seed", "numpy_seed", "pytorch_seed")
_TRAIN_EXTRAS = ("serialization_dir", "local_rank", "ddp_accelerator")


@dataclass
class Checked:
    """The outcome of a check.

    Args:
        config: the evaluated config; None where it could not be evaluated.
        node: the resolved experiment, to be built or shown.
        problems: all that is wrong, in the order of the file.
        file: where the config came from, if from a file.
    """

    config: dict[str, Any] | None
    node: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    file: ConfigFile | None = None

    def resolved_config(self) -> dict[str, Any]:
        """The whole config with every default filled in that JSON can express."""
        assert self.config is not None and self.node is not None
        return {**self.config, **self.node.as_config()}


def check_file(
    path: str | os.PathLike[str],
    overrides: str | Mapping[str, Any] = "",
    serialization_dir: str | None = None,
) -> Checked:
    """Check the experiment in a file.

    Args:
        path: of the config; a URL will do.
        overrides: as on the command line.
        serialization_dir: the output folder, checked to be usable if given.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigurationError: it is no text that could hold a config, or the overrides are no object.
    """
    file = ConfigFile.read(path, overrides)
    checked = Checked(file.config, file=file)
    if file.config is not None:
        checked = check_config(file.config)
        checked.file = file
    checked.problems = [file.located(problem) for problem in [*file.problems, *checked.problems]]
    if serialization_dir is not None:
        from nlpreg.commands.preflight import output_folder_problems

        checked.problems.extend(output_folder_problems(serialization_dir))
    checked.problems.sort(key=_place)
    return checked


def check_config(config: Mapping[str, Any]) -> Checked:
    """Check an evaluated config: every key against what takes it, then paths, devices and shapes.

    The registries must have been filled before, by `nlpreg.common.plugins.import_plugins`.
    """
    from nlpreg.commands.preflight import preflight_problems
    from nlpreg.commands.shape_check import shape_problems
    from nlpreg.commands.train import TrainModel

    sections = dict(config)
    resolver = Resolver(_TRAIN_EXTRAS)
    for key, annotation in _around_the_experiment().items():
        if key in sections:
            _resolve_aside(resolver, annotation, sections.pop(key), key)
    node = resolver.object(TrainModel, sections, "")
    problems = list(resolver.problems)
    problems += preflight_problems(config, node)
    if isinstance(node, Call):
        problems += shape_problems(node)
    return Checked(dict(config), node, problems)


def _around_the_experiment() -> dict[str, Any]:
    """Top-level keys that the commands use themselves, and their types."""
    from nlpreg.commands.distributed_config import DistributedConfig
    from nlpreg.evaluation import Evaluator

    seeds: dict[str, Any] = dict.fromkeys(_SEEDS, int)
    return {
        **seeds,
        "include_in_archive": list[str],
        "evaluation": Evaluator,
        "distributed": DistributedConfig,
    }


def _resolve_aside(resolver: AnnotationResolver, annotation: Any, value: Any, key: str) -> None:
    if value is not None:
        resolver.resolve(annotation, value, key)


def _place(problem: Problem) -> tuple[str, int]:
    name, _, line = problem.location.rpartition(":")
    return (name, int(line)) if line.isdigit() else ("", sys.maxsize)


def report(path: str, problems: list[Problem]) -> str:
    """The problems as a person reads them: a heading, then the key path, the place, and what to do."""
    count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
    return "\n".join([f"{path}: {count}", *_lines(path, problems)])


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
