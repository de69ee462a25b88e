"""What is wrong with a config: every fault with its place, what was expected, what was found, what to do."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nlpreg.common.checks import ConfigurationError, ConfigurationTypeError, ConfigurationValueError


@dataclass(frozen=True)
class Problem:
    """One fault in a config.

    Args:
        path: dotted key path, such as `model.encoder.hidden_size`; empty for the whole config.
        message: what was expected, what was found, and what to do.
        is_type: whether the value has the wrong type (old code expects a `TypeError` then).
        location: "file:line" where the key stands, once known.
        is_refusal: whether the class itself refuses values that fit their annotations.
        stray_key: the key, where nothing takes it and nothing like it is taken there.
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
    """All the faults that were found, in one error.

    Args:
        problems: at least one.
        message: the text; by default one line a problem.
    """

    def __init__(self, problems: Sequence[Problem], message: str | None = None) -> None:
        self.problems = list(problems)
        super().__init__(message or "\n".join(str(problem) for problem in self.problems))

    # an exception is pickled by `args`, which is the message alone; workers send theirs to the main process
    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.problems, self.message))


class _TypeProblems(ConfigurationProblems, ConfigurationTypeError):
    """As above where one of them is a wrong type, so that `except TypeError` sees it."""


class _ValueProblems(ConfigurationProblems, ConfigurationValueError):
    """As above where a class refuses a value, so that `except ValueError` sees it, as it would see the constructor's."""


def problems_error(problems: Sequence[Problem]) -> ConfigurationProblems:
    """The error to raise for these problems."""
    if any(problem.is_type for problem in problems):
        return _TypeProblems(problems)
    return (_ValueProblems if any(problem.is_refusal for problem in problems) else ConfigurationProblems)(
        problems
    )


def refusal(path: str, names: Iterable[str], error: Exception) -> Problem:
    """The problem with arguments that a class refuses; it is that of one argument if the message begins with its name.

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
    """A config value as a message shows it: JSON, cut short, with its kind where that helps.

    Args:
        value: the value.
        kind: whether to add what kind of value it is.
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
