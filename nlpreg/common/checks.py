"""The error of a wrong configuration, the name that was probably meant, and small checks of values and devices."""

from __future__ import annotations

import inspect
import logging
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


logger = logging.getLogger(__name__)


class ConfigurationError(Exception):
    """A configuration, or data that contradicts it, is wrong: the user can put it right.

    Args:
        message: where, what was expected, what was found, what to do; `str(error)` is exactly this.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class ConfigurationTypeError(ConfigurationError, TypeError):
    """A configuration value has the wrong type; caught as `TypeError` too."""


class ConfigurationValueError(ConfigurationError, ValueError):
    """A configuration value is out of range, or contradicts another one; caught as `ValueError` too."""


class ExperimentalFeatureWarning(RuntimeWarning):
    """Something whose interface may still change is in use."""


def log_pytorch_version_info() -> None:
    """Log PyTorch's version."""
    import torch

    logger.info("PyTorch version: %s", torch.__version__)


def check_dimensions_match(dimension_1: int, dimension_2: int, dim_1_name: str, dim_2_name: str) -> None:
    """Compare two sizes that must agree.

    Raises:
        ConfigurationError: they differ; the message names both and gives their values.
    """
    if dimension_1 != dimension_2:
        raise ConfigurationError(
            f"{dim_1_name} must match {dim_2_name}, but got {dimension_1} and {dimension_2}; "
            "change one of them in the config"
        )


def check_at_least(least: float, **values: float | None) -> None:
    """Refuse numbers that are too small.

    Args:
        least: the smallest that will do.
        **values: numbers by the names of their arguments; None stands for one that is not given.

    Raises:
        ConfigurationError: one is smaller, or not a number; it is a `ValueError` too.
    """
    for name, value in values.items():
        if value is not None and not value >= least:
            raise ConfigurationValueError(f"{name}: expected {least} or more, got {value}")


def check_share(**values: float | None) -> None:
    """Refuse numbers outside the interval from 0 to 1.

    Args:
        **values: numbers by the names of their arguments; None stands for one that is not given.

    Raises:
        ConfigurationError: one is not; it is a `ValueError` too.
    """
    for name, value in values.items():
        if value is not None and not 0 <= value <= 1:
            raise ConfigurationValueError(f"{name}: expected a share from 0 to 1, got {value}")


def argument_ranges(*, sizes: Sequence[str] = (), shares: Sequence[str] = ()) -> staticmethod[..., None]:
    """A `check_arguments` of a class whose arguments only need to lie in the usual ranges.

    Args:
        sizes: names of arguments that are 1 or more: sizes, numbers of layers. Lists are looked into; None stands for one
            that is not given.
        shares: names of arguments from 0 to 1: dropout probabilities.
    """

    def check_arguments(**values: Any) -> None:
        """Refuse sizes below 1 and shares outside of 0 to 1."""
        for name in sizes:
            for number in _numbers(values.get(name)):
                check_at_least(1, **{name: number})
        for name in shares:
            for number in _numbers(values.get(name)):
                check_share(**{name: number})

    keywords = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in (*sizes, *shares)
    ]
    check_arguments.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]  # who asks reads it
    return staticmethod(check_arguments)


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a value, in lists of lists too."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers(item)


def check_patterns(**patterns: Iterable[str] | None) -> None:
    """Refuse strings that are not valid regular expressions.

    Args:
        **patterns: regular expressions by the names of their arguments; None stands for one that is not given.

    Raises:
        ConfigurationError: one is not valid; it is a `ValueError` too.
    """
    for name, values in patterns.items():
        for pattern in values or ():
            try:
                re.compile(pattern)
            except re.error as error:
                hint = '; for any text write ".*"' if str(error).startswith("nothing to repeat") else ""
                raise ConfigurationValueError(
                    f"{name}: {pattern!r} is no regular expression: {error}{hint}"
                ) from error


def check_patterns_match(key: str, patterns: Iterable[str], names: Iterable[str]) -> None:
    """Make sure that each regular expression is found in some parameter's name; a typing error would do nothing.

    Args:
        key: where the expressions come from, as in `trainer.no_grad`.
        patterns: the regular expressions.
        names: the names of all parameters.

    Raises:
        ConfigurationError: one is found in no name; the message lists names that it may have been meant for.
    """
    names = list(names)
    for pattern in patterns:
        if not any(re.search(pattern, name) for name in names):
            raise ConfigurationError(
                f"{key}: {pattern!r} matches no parameter; the names most like it are "
                + (", ".join(_names_like(pattern, names)) or "none, since there are no parameters")
            )


def parse_cuda_device(cuda_device: str | int | list[int]) -> int:
    """One device number from the forms that a command line or a config may have.

    Args:
        cuda_device: a number, a text such as "0" or "0,1", or a list of numbers; negative is the CPU.

    Raises:
        ConfigurationError: more than one device.
    """
    if isinstance(cuda_device, int):
        return cuda_device
    items = cuda_device.split(",") if isinstance(cuda_device, str) else list(cuda_device)
    numbers = [int(item) for item in items if str(item).strip()]
    if len(numbers) > 1:
        raise ConfigurationError(
            f"cuda_device: expected one device, got {numbers}; to use several, give the config a section "
            f'"distributed": {{"cuda_devices": {numbers}}} and leave cuda_device out'
        )
    return numbers[0] if numbers else -1


def check_for_gpu(device: int | torch.device | Iterable[int | torch.device] | None) -> None:
    """Make sure that every device asked for is there.

    Raises:
        ConfigurationError: a GPU is asked for and none, or not that many, can be used.
    """
    import torch

    if device is None:
        return
    if not isinstance(device, (int, torch.device)):
        for one in device:
            check_for_gpu(one)
        return
    if isinstance(device, torch.device):
        if device.type != "cuda":
            return
        index = device.index or 0
    else:
        index = device
    if index < 0:  # the CPU
        return
    available = torch.cuda.device_count()
    if available == 0:
        raise ConfigurationError(
            f"GPU {index} was asked for, but PyTorch finds no GPU here (torch.cuda.device_count() is 0); "
            "write -1 in its place to run on the CPU"
        )
    if index >= available:
        raise ConfigurationError(
            f"GPU {index} was asked for, but there are only {available}, numbered from 0 to {available - 1}"
        )


def check_for_java() -> bool:
    """Whether a Java runtime answers on this machine."""
    java = shutil.which("java")
    if java is None:
        return False
    try:
        done = subprocess.run([java, "-version"], capture_output=True, check=False, timeout=20)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def nearest(name: Any, known: Iterable[Any]) -> str | None:
    """The known name most like `name`, or None if none is; `_`, `-` and case count for nothing, initials for the whole."""
    if not isinstance(name, str):
        return None
    candidates = [item for item in known if isinstance(item, str)]
    plain = {candidate: _plain(candidate) for candidate in candidates}
    for candidate in candidates:
        if plain[candidate] == _plain(name) or candidate == _initials(name):
            return candidate
    import difflib  # only where something is wrong

    close = difflib.get_close_matches(_plain(name), plain.values(), n=1, cutoff=0.65)
    return next((candidate for candidate in candidates if plain[candidate] in close), None)


def did_you_mean(name: Any, known: Iterable[Any]) -> str:
    """`; did you mean "x"?`, or nothing where no known name is like `name`."""
    found = nearest(name, known)
    return f'; did you mean "{found}"?' if found is not None else ""


def _names_like(pattern: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The dotted names that a regular expression, which matches none of them, may have been meant for.

    Args:
        pattern: the regular expression.
        names: names of parameters, such as `encoder.weight`.
        count: how many to return at most.
    """
    wanted = re.sub(r"[^\w.]", "", pattern.replace("\\", "")).strip(".")

    def likeness(name: str) -> float:
        # a pattern usually names the first modules of the path only, or the last ones
        parts, length = name.split("."), wanted.count(".") + 1
        candidates = {name, ".".join(parts[:length]), ".".join(parts[-length:])}
        return max(SequenceMatcher(None, wanted, candidate).ratio() for candidate in candidates)

    return sorted(names, key=likeness, reverse=True)[:count]


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _initials(name: str) -> str | None:
    """`lr` for `learning_rate`; None for a single word."""
    words = _plain(name).split("_")
    return "".join(word[:1] for word in words) if len(words) > 1 else None
