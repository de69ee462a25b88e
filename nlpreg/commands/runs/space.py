"""The search space of `nlpreg tune`: keys of the config with their possible values."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from nlpreg.commands.options import read_config
from nlpreg.common.checks import ConfigurationError, did_you_mean
from nlpreg.common.imports import optional

_KEYS = {
    "float": {"type", "low", "high", "log", "step"},
    "int": {"type", "low", "high", "log", "step"},
    "categorical": {"type", "choices"},
}


@dataclass(frozen=True)
class Dimension:
    """A key of the config and its possible values.

    Args:
        key: dotted key, as in an override.
        kind: "float", "int" or "categorical".
        low: smallest value of a number.
        high: largest value of a number.
        log: whether the logarithm of the value is sampled uniformly.
        step: distance between adjacent values, starting from `low`.
        choices: the values of a categorical key, of any type.
    """

    key: str
    kind: str
    low: float = 0
    high: float = 0
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()

    def distribution(self) -> Any:
        """The distribution in Optuna, in which values that are not scalars are JSON text."""
        distributions = optional("optuna", extra="optuna").distributions
        if self.kind == "categorical":
            return distributions.CategoricalDistribution([_scalar(choice) for choice in self.choices])
        if self.kind == "int":
            step = 1 if self.step is None else int(self.step)
            return distributions.IntDistribution(int(self.low), int(self.high), self.log, step)
        return distributions.FloatDistribution(self.low, self.high, self.log, self.step)

    def value(self, sampled: Any) -> Any:
        """The value in the config for a value sampled by Optuna."""
        if self.kind != "categorical":
            return sampled
        return next(choice for choice in self.choices if _same(_scalar(choice), sampled))

    def ends(self) -> list[Any]:
        """Extreme values of the dimension, with which the config is checked."""
        return list(self.choices) if self.kind == "categorical" else [self.low, self.high]


def read_space(path: str | os.PathLike[str]) -> list[Dimension]:
    """Read a search space from a Jsonnet file.

    Args:
        path: path of a file with an object: dotted key -> `{type: 'float', low, high, log, step}`, the same with `int`,
            `{type: 'categorical', choices: [...]}`, or only the list of choices.

    Raises:
        ConfigurationError: the file is not such an object.
    """
    name = os.fspath(path)
    entries = read_config(name).as_dict(quiet=True)
    if not entries:
        raise ConfigurationError(
            f"{name}: expected at least one key of the config with its values, got an empty object"
        )
    return [_dimension(name, key, entry) for key, entry in entries.items()]


def _dimension(file: str, key: str, entry: Any) -> Dimension:
    place = f"{file}: {key}"
    if isinstance(entry, list):
        entry = {"type": "categorical", "choices": entry}
    if not isinstance(entry, Mapping) or entry.get("type") not in _KEYS:
        raise ConfigurationError(
            f"{place}: expected a list of values, or an object with the type float, int or categorical, got {entry!r}"
        )
    kind = entry["type"]
    unknown = sorted(set(entry) - _KEYS[kind])
    if unknown:
        raise ConfigurationError(
            f"{place}: unknown key {unknown[0]!r}{did_you_mean(unknown[0], sorted(_KEYS[kind]))}"
        )
    if kind == "categorical":
        choices = entry.get("choices")
        if not isinstance(choices, list) or not choices:
            raise ConfigurationError(
                f"{place}: expected choices, a list of at least one value, got {choices!r}"
            )
        return Dimension(key, kind, choices=tuple(choices))
    low, high, step, log = (entry.get(name) for name in ("low", "high", "step", "log"))
    if not (_is_number(low, kind) and _is_number(high, kind)) or not low <= high:
        what = "integers" if kind == "int" else "numbers"
        raise ConfigurationError(
            f"{place}: expected low and high, two {what} in this order, got {low!r} and {high!r}"
        )
    if step is not None and not (_is_number(step, kind) and step > 0):
        raise ConfigurationError(f"{place}: expected a step above 0, got {step!r}")
    if log and (low <= 0 or step is not None):
        raise ConfigurationError(
            f"{place}: with log, expected low above 0 and no step, got {low!r} and {step!r}"
        )
    return Dimension(key, kind, low, high, bool(log), step)


def _is_number(value: Any, kind: str) -> TypeGuard[float]:
    kinds = (int,) if kind == "int" else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool)


def _scalar(choice: Any) -> Any:
    return choice if choice is None or isinstance(choice, (bool, int, float, str)) else json.dumps(choice)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same type, unlike 1 and true."""
    return type(one) is type(other) and bool(one == other)
