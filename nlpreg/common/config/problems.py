"""Problems in configs: each with its location, what was expected, what was found and what to do."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nlpreg.common.checks import ConfigurationError, ConfigurationTypeError, ConfigurationValueError


@dataclass(frozen=True)
class Problem:
    """A problem in a config.

    Args:
        path: dotted key path, such as `model.encoder.hidden_size`; empty for the whole config.
        message: what was expected, what was found, and what to do.
        is_type: whether the value has the wrong type, which also raises a `TypeError`.
        location: "file:line" of the key, once known.
        is_refusal: whether a class rejects values that match their annotations.
        stray_key: the key, if it is unknown and not similar to a known key.
    """

    path: str
    message: str
    is_type: bool = False
    location: str = ""
    is_refusal: bool = False
    stray_key: str = ""

    def __str__(self) -> str:
        place = self.path or "the config"
        return f"{place}: {self.message}" + (f" ({self.location})" if self.location else "")


class ConfigurationProblems(ConfigurationError):
    """An error with all problems that were found.

    Args:
        problems: at least one.
        message: the text; by default one line per problem.
    """

    def __init__(self, problems: Sequence[Problem], message: str | None = None) -> None:
        self.problems = list(problems)
        super().__init__(message or "\n".join(str(problem) for problem in self.problems))

    # exceptions are pickled by `args`, which has only the message; workers send them to the main process
    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.problems, self.message))


class _TypeProblems(ConfigurationProblems, ConfigurationTypeError):
    """`ConfigurationProblems` with a wrong type, which `except TypeError` catches too."""


class _ValueProblems(ConfigurationProblems, ConfigurationValueError):
    """`ConfigurationProblems` with a rejected value, which `except ValueError` catches too, like the constructor's error."""


def problems_error(problems: Sequence[Problem]) -> ConfigurationProblems:
    """Make the error for a list of problems."""
    if any(problem.is_type for problem in problems):
        return _TypeProblems(problems)
    return (_ValueProblems if any(problem.is_refusal for problem in problems) else ConfigurationProblems)(
        problems
    )


def refusal(path: str, names: Iterable[str], error: Exception) -> Problem:
    """Make a problem from the error of a class that rejects arguments; it is assigned to an argument if the message starts with
    its name.

    Args:
        path: key path of the class's section.
        names: of its arguments.
        error: what it raised.
    """
    text = str(error.args[0]) if error.args else type(error).__name__
    first, _, rest = text.partition(" ")
    # "dropout: expected ..." and "trainer.dropout: expected ..." are both about `dropout`
    name = first.rstrip(":").rpartition(".")[2]
    if name not in names:
        return Problem(path, text, is_refusal=True)
    return Problem(f"{path}.{name}" if path else name, rest if first.endswith(":") else text, is_refusal=True)


def found(value: Any, kind: bool = True) -> str:
    """Format a config value for a message: JSON, truncated, with its type if helpful.

    Args:
        value: the value.
        kind: whether to add the type of the value.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    kinds = {str: "a string", dict: "an object", list: "a list", bool: "a boolean"}
    name = kinds.get(type(value), "")
    if not name and isinstance(value, (int, float)):
        name = "a number"
    return f"{text} ({name})" if kind and name else text
