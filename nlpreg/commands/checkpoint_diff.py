"""The difference of two state dicts, as `nlpreg diff` shows it."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Mapping
from typing import NamedTuple

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import cached_path
from nlpreg.models.archival import WEIGHTS_NAME, extracted_archive
from nlpreg.models.weights import read_weights

__all__ = ["Insert", "Keep", "Modify", "Remove", "checkpoint_diff", "read_checkpoint"]

Shape = tuple[int, ...]

GREEN, RED, YELLOW = 32, 31, 33


def _show(sign: str, key: str, shape: Shape, rest: str, color: int | None) -> None:
    line = f"{sign}{key}, shape = {shape}{rest}"
    print(line if color is None else f"\033[{color}m{line}\033[0m")


class Keep(NamedTuple):
    """A parameter that is the same in both."""

    key: str
    shape: Shape

    def display(self, is_colored: bool = False) -> None:
        """Print a line for it."""
        _show(" ", self.key, self.shape, "", None)


class Insert(NamedTuple):
    """A parameter that only the second has."""

    key: str
    shape: Shape

    def display(self, is_colored: bool = False) -> None:
        """Print a line for it."""
        _show("+", self.key, self.shape, "", GREEN if is_colored else None)


class Remove(NamedTuple):
    """A parameter that only the first has."""

    key: str
    shape: Shape

    def display(self, is_colored: bool = False) -> None:
        """Print a line for it."""
        _show("-", self.key, self.shape, "", RED if is_colored else None)


class Modify(NamedTuple):
    """A parameter of the same shape with other values."""

    key: str
    shape: Shape
    distance: float

    def display(self, is_colored: bool = False) -> None:
        """Print a line for it."""
        _show("!", self.key, self.shape, f", distance = {self.distance:.4f}", YELLOW if is_colored else None)


def checkpoint_diff(
    state_dict_a: Mapping[str, torch.Tensor],
    state_dict_b: Mapping[str, torch.Tensor],
    scale: float,
    threshold: float,
) -> list[Keep | Insert | Remove | Modify]:
    """What leads from one state dict to another, parameter by parameter, in their order.

    Args:
        state_dict_a: the first.
        state_dict_b: the second.
        scale: factor of the distance, which is the root of the mean of the squared differences.
        threshold: largest distance that counts as the same.
    """
    first = [(name, tuple(tensor.shape)) for name, tensor in state_dict_a.items()]
    second = [(name, tuple(tensor.shape)) for name, tensor in state_dict_b.items()]
    steps: list[Keep | Insert | Remove | Modify] = []
    matcher = difflib.SequenceMatcher(a=first, b=second, autojunk=False)
    for kind, start_a, end_a, start_b, end_b in matcher.get_opcodes():
        if kind != "equal":
            steps += [Remove(*item) for item in first[start_a:end_a]]
            steps += [Insert(*item) for item in second[start_b:end_b]]
            continue
        for name, shape in first[start_a:end_a]:
            distance = scale * _root_mean_square(state_dict_a[name], state_dict_b[name])
            # a distance that is not a number is a change, too
            steps.append(Keep(name, shape) if distance <= threshold else Modify(name, shape, distance))
    return steps


def read_checkpoint(path: str, strip_prefix: str | None = None) -> dict[str, torch.Tensor]:
    """The weights in a file, in an archive (`model.tar.gz`) or in a named file of one (`model.tar.gz!best.th`).

    Args:
        path: a path or URL.
        strip_prefix: taken off every name.

    Raises:
        ConfigurationError: no name starts with the prefix.
    """
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
