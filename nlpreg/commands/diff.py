"""`nlpreg diff`: the differences between two configs, two runs, or two sets of weights."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from nlpreg.commands.console import format_value, table
from nlpreg.commands.options import read_config
from nlpreg.commands.report.run_record import read_run_json
from nlpreg.commands.runs.group import is_number
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.digests import warn_if_changed
from nlpreg.common.file_utils import cached_path

if TYPE_CHECKING:
    import torch

_WEIGHTS_SUFFIXES = (".th", ".pt", ".bin", ".tar.gz")


@Subcommand.register("diff")
class Diff(Subcommand):
    """Compare two configs (.jsonnet, .json), two runs (folders), or two sets of weights (.th, or model.tar.gz).

    For configs and runs: the differences by key path, and the metrics side by side. For weights: the parameters in
    order, " " equal, "+" only in the second, "-" only in the first, "!" changed, with the distance.

    examples:
      nlpreg diff out/first out/second
      nlpreg diff a.jsonnet b.jsonnet
      nlpreg diff out/first/model.tar.gz out/second/model.tar.gz
    """

    requires_plugins: ClassVar[bool] = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument(
            "checkpoint1", metavar="FIRST", help="a config, a run's folder, weights or an archive"
        )
        parser.add_argument("checkpoint2", metavar="SECOND", help="another one of the same kind")
        parser.add_argument(
            "--strip-prefix-1", metavar="P", help="weights: remove this prefix from the names in FIRST"
        )
        parser.add_argument(
            "--strip-prefix-2", metavar="P", help="weights: remove this prefix from the names in SECOND"
        )
        parser.add_argument(
            "--scale",
            type=float,
            default=1.0,
            metavar="X",
            help="weights: factor of the distance (root mean square)",
        )
        parser.add_argument(
            "--threshold",
            type=float,
            default=1e-5,
            metavar="X",
            help="weights: largest distance that counts as equal",
        )
        parser.set_defaults(func=_run)

    def validate(self, args: argparse.Namespace) -> None:
        """Check that both arguments exist and are of the same kind."""
        for path in (args.checkpoint1, args.checkpoint2):
            if "://" not in path and not os.path.exists(os.path.expanduser(path.split("!")[0])):
                raise ConfigurationError(f"{path}: there is no such file or folder")
        if _are_weights(args.checkpoint1) != _are_weights(args.checkpoint2):
            raise ConfigurationError(
                f"diff: {args.checkpoint1} and {args.checkpoint2} are of different kinds; give two configs, two folders "
                "of runs, or two files of weights (.th) or archives (.tar.gz)"
            )


def _are_weights(path: str) -> bool:
    return path.endswith(_WEIGHTS_SUFFIXES) or "!" in path


def _run(args: argparse.Namespace) -> None:
    if not _are_weights(args.checkpoint1):
        print(_diff_runs(args.checkpoint1, args.checkpoint2))
        return
    steps = checkpoint_diff(
        read_checkpoint(args.checkpoint1, args.strip_prefix_1),
        read_checkpoint(args.checkpoint2, args.strip_prefix_2),
        args.scale,
        args.threshold,
    )
    is_colored = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for step in steps:
        step.display(is_colored)


MISSING = object()
"""Stands for the value of a key that a config does not have."""
LONGEST_VALUE = 60


def _diff_runs(first: str, second: str) -> str:
    """Format the differences between two configs or runs.

    Args:
        first: a config file, or a folder with `config.json`.
        second: another one.
    """
    parts = []
    differences = config_differences(_config_of(first), _config_of(second))
    if differences:
        rows = [[path, _shown(old), _shown(new)] for path, old, new in differences]
        lines = table(rows, ["", first, second], has_numbers=False)
        parts.append("\n".join(["config", *(f"  {line}" for line in lines)]))
    else:
        parts.append("config: no difference")
    metrics = [_metrics_of(path) for path in (first, second)]
    if any(metrics):
        names = list(dict.fromkeys([*metrics[0], *metrics[1]]))
        rows = [
            [name, *(_metric(values, name) for values in metrics), _change(metrics[0], metrics[1], name)]
            for name in names
        ]
        lines = table(rows, ["", first, second, "change"])
        parts.append("\n".join(["metrics", *(f"  {line}" for line in lines)]))
    return "\n\n".join(parts)


def config_differences(first: Any, second: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """The differences between two configs, each as key path, first value and second value.

    A value that one config does not have is `MISSING`. Lists are compared item by item.
    """
    if isinstance(first, dict) and isinstance(second, dict):
        keys: list[Any] = list(dict.fromkeys([*first, *second]))
        pairs = [(str(key), first.get(key, MISSING), second.get(key, MISSING)) for key in keys]
    elif isinstance(first, list) and isinstance(second, list):
        longest = max(len(first), len(second))
        pairs = [
            (str(i), first[i] if i < len(first) else MISSING, second[i] if i < len(second) else MISSING)
            for i in range(longest)
        ]
    else:
        same = first == second and isinstance(first, bool) == isinstance(second, bool)
        return [] if same else [(path, first, second)]
    return [
        difference
        for key, old, new in pairs
        for difference in config_differences(old, new, f"{path}.{key}" if path else key)
    ]


def _config_of(path: str) -> Any:
    if os.path.isdir(path):
        path = os.path.join(path, "config.json")
        if not os.path.isfile(path):
            raise ConfigurationError(
                f"{os.path.dirname(path)}: this folder is not a run: it has no config.json"
            )
    return read_config(path).as_dict(quiet=True)


def _metrics_of(path: str) -> dict[str, Any]:
    """The metrics of a finished run; none for a config."""
    if not os.path.isdir(path):
        return {}
    warn_if_changed(path, "config.json", "metrics.json")
    return read_run_json(path, "metrics.json")


def _metric(metrics: dict[str, Any], name: str) -> str:
    return format_value(metrics[name]) if name in metrics else ""


def _change(first: dict[str, Any], second: dict[str, Any], name: str) -> str:
    values = (first.get(name), second.get(name))
    if not all(map(is_number, values)):
        return ""
    change = float(values[1]) - float(values[0])  # type: ignore[arg-type]  # both are numbers here
    return ("+" if change > 0 else "") + format_value(change)


def _shown(value: Any) -> str:
    if value is MISSING:
        return "-"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


Shape = tuple[int, ...]


class _Step(NamedTuple):
    """A parameter, and its distance if the values differ."""

    key: str
    shape: Shape
    distance: float | None = None

    def display(self, is_colored: bool = False) -> None:
        """Print a line for it."""
        sign, color = _MARKS[type(self)]
        distance = "" if self.distance is None else f", distance = {self.distance:.4f}"
        line = f"{sign}{self.key}, shape = {self.shape}{distance}"
        print(f"\033[{color}m{line}\033[0m" if is_colored and color else line)


class Keep(_Step):
    """A parameter that is equal in both."""


class Insert(_Step):
    """A parameter that only the second has."""


class Remove(_Step):
    """A parameter that only the first has."""


class Modify(_Step):
    """A parameter of the same shape with other values."""


_GREEN, _RED, _YELLOW = 32, 31, 33
_MARKS: dict[type[_Step], tuple[str, int | None]] = {
    Keep: (" ", None),
    Insert: ("+", _GREEN),
    Remove: ("-", _RED),
    Modify: ("!", _YELLOW),
}


def checkpoint_diff(
    state_dict_a: Mapping[str, torch.Tensor],
    state_dict_b: Mapping[str, torch.Tensor],
    scale: float,
    threshold: float,
) -> list[_Step]:
    """The changes from one state dict to another, parameter by parameter, in their order.

    Args:
        state_dict_a: the first.
        state_dict_b: the second.
        scale: factor of the distance, which is the root mean square of the differences.
        threshold: largest distance that counts as equal.
    """
    first = [(name, tuple(tensor.shape)) for name, tensor in state_dict_a.items()]
    second = [(name, tuple(tensor.shape)) for name, tensor in state_dict_b.items()]
    steps: list[_Step] = []
    matcher = difflib.SequenceMatcher(a=first, b=second, autojunk=False)
    for kind, start_a, end_a, start_b, end_b in matcher.get_opcodes():
        if kind != "equal":
            steps += [Remove(*item) for item in first[start_a:end_a]]
            steps += [Insert(*item) for item in second[start_b:end_b]]
            continue
        for name, shape in first[start_a:end_a]:
            distance = scale * _root_mean_square(state_dict_a[name], state_dict_b[name])
            # a distance of NaN counts as a change
            steps.append(Keep(name, shape) if distance <= threshold else Modify(name, shape, distance))
    return steps


def read_checkpoint(path: str, strip_prefix: str | None = None) -> dict[str, torch.Tensor]:
    """Read the weights in a file, in an archive (`model.tar.gz`) or in a file of an archive (`model.tar.gz!best.th`).

    Args:
        path: a path or URL.
        strip_prefix: prefix that is removed from every name.

    Raises:
        ConfigurationError: no name starts with the prefix.
    """
    from nlpreg.models.archival import WEIGHTS_NAME, extracted_archive
    from nlpreg.models.weights import read_weights

    archive, _, member = path.partition("!")
    with contextlib.ExitStack() as stack:
        file = cached_path(archive)
        if archive.endswith(".tar.gz") or member:
            file = os.path.join(stack.enter_context(extracted_archive(file)), member or WEIGHTS_NAME)
        state = read_weights(file)
    if strip_prefix is None:
        return state
    stripped = {name.removeprefix(strip_prefix): tensor for name, tensor in state.items()}
    if stripped.keys() == state.keys():
        raise ConfigurationError(f"{path}: no name of a parameter starts with {strip_prefix!r}")
    return stripped


def _root_mean_square(a: torch.Tensor, b: torch.Tensor) -> float:
    if a.numel() == 0:
        return 0.0
    return float((a.double() - b.double()).pow(2).mean().sqrt())
