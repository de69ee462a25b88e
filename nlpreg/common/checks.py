"""`ConfigurationError`, suggestions for misspelt names, and small checks of values and devices."""

from __future__ import annotations

import difflib
import logging
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    import torch


logger = logging.getLogger(__name__)


class ConfigurationError(Exception):
    """The configuration is wrong, or the data contradicts it; the user can correct it.

    Args:
        message: where, what was expected, what was found, what to do; `str(error)` is exactly this.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class ConfigurationTypeError(ConfigurationError, TypeError):
    """A configuration value has the wrong type; also a `TypeError`."""


class ConfigurationValueError(ConfigurationError, ValueError):
    """A configuration value is out of range or contradicts another one; also a `ValueError`."""


class ExperimentalFeatureWarning(RuntimeWarning):
    """Issued when a feature is used whose interface may still change."""


def log_pytorch_version_info() -> None:
    """Log the version of PyTorch at the start of a run."""
    import torch

    logger.info("PyTorch version: %s", torch.__version__)


def check_dimensions_match(dimension_1: int, dimension_2: int, dim_1_name: str, dim_2_name: str) -> None:
    """Raise an error unless two sizes agree.

    Raises:
        ConfigurationError: they differ; the message names both and gives their values.
    """
    if dimension_1 != dimension_2:
        raise ConfigurationError(
            f"{dim_1_name} must match {dim_2_name}, but got {dimension_1} and {dimension_2}; "
            "change one of them in the config"
        )


@dataclass(frozen=True)
class Range:
    """The range of a number: `Annotated[int, Range(1)]` makes `nlpreg check` reject smaller numbers in a config.

    Args:
        least: the smallest allowed value.
        most: the largest allowed value; None for no limit.
    """

    least: float
    most: float | None = None

    def __contains__(self, value: float) -> bool:
        return value >= self.least and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        return f"{self.least} or more" if self.most is None else f"a number from {self.least} to {self.most}"

    def check(self, **values: float | None) -> None:
        """Reject numbers outside the range.

        Args:
            **values: argument name -> value; None if the argument was not given.

        Raises:
            ConfigurationError: a value is outside the range, or not a number; also a `ValueError`.
        """
        for name, value in values.items():
            if value is not None and value not in self:
                raise ConfigurationValueError(f"{name}: expected {self}, got {value}")


PositiveInt = Annotated[int, Range(1)]
"""A size, or a number of layers."""

Probability = Annotated[float, Range(0, 1)]
"""A probability, or another fraction of a whole."""


def check_at_least(least: float, **values: float | None) -> None:
    """Reject numbers that are too small, see `Range.check`."""
    Range(least).check(**values)


def check_share(**values: float | None) -> None:
    """Reject numbers outside the interval from 0 to 1, see `Range.check`."""
    Range(0, 1).check(**values)


def check_patterns(**patterns: Iterable[str] | None) -> None:
    """Reject strings that are not valid regular expressions.

    Args:
        **patterns: argument name -> regular expression; None if the argument was not given.

    Raises:
        ConfigurationError: an expression is not valid; also a `ValueError`.
    """
    for name, values in patterns.items():
        for pattern in values or ():
            try:
                re.compile(pattern)
            except re.error as error:
                hint = '; for any text write ".*"' if str(error).startswith("nothing to repeat") else ""
                raise ConfigurationValueError(
                    f"{name}: {pattern!r} is not a valid regular expression: {error}{hint}"
                ) from error


def check_patterns_match(key: str, patterns: Iterable[str], names: Iterable[str]) -> None:
    """Check that each regular expression matches a parameter name; a misspelt one would silently have no effect.

    Args:
        key: config key of the expressions, such as `trainer.no_grad`.
        patterns: the regular expressions.
        names: the names of all parameters.

    Raises:
        ConfigurationError: an expression matches no name; the message lists similar names.
    """
    for message in unmatched_patterns(patterns, names):
        raise ConfigurationError(f"{key}: {message}")


def unmatched_patterns(patterns: Iterable[str], names: Iterable[str]) -> Iterator[str]:
    """A message for each regular expression that matches no parameter name, which lists similar names.

    Args:
        patterns: the regular expressions.
        names: the names of all parameters.
    """
    names = list(names)
    for pattern in patterns:
        if not any(re.search(pattern, name) for name in names):
            similar = ", ".join(_names_like(pattern, names)) or "none, since there are no parameters"
            yield f"{pattern!r} matches no parameter; the names most like it are {similar}"


def parse_cuda_device(cuda_device: str | int | list[int]) -> int:
    """Parse the number of one device from a command-line option or a config value.

    Args:
        cuda_device: a number, a string such as "0" or "0,1", or a list of numbers; a negative number is the CPU.

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
    """Check that every requested device is available.

    Raises:
        ConfigurationError: a GPU is requested that is not available.
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
            f"GPU {index} was requested, but PyTorch finds no GPU here (torch.cuda.device_count() is 0); "
            "write -1 in its place to run on the CPU"
        )
    if index >= available:
        raise ConfigurationError(
            f"GPU {index} was requested, but there are only {available}, numbered from 0 to {available - 1}"
        )


def check_for_java() -> bool:
    """Whether a Java runtime is installed on this machine."""
    java = shutil.which("java")
    if java is None:
        return False
    try:
        done = subprocess.run([java, "-version"], capture_output=True, check=False, timeout=20)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def nearest(name: Any, known: Iterable[Any]) -> str | None:
    """The known name most similar to `name`, or None. Case, `_` and `-` are ignored; initials match the whole name."""
    if not isinstance(name, str):
        return None
    candidates = [item for item in known if isinstance(item, str)]
    plain = {candidate: _plain(candidate) for candidate in candidates}
    for candidate in candidates:
        if plain[candidate] == _plain(name) or candidate == _initials(name):
            return candidate

    close = difflib.get_close_matches(_plain(name), plain.values(), n=1, cutoff=0.65)
    return next((candidate for candidate in candidates if plain[candidate] in close), None)


def did_you_mean(name: Any, known: Iterable[Any]) -> str:
    """`; did you mean "x"?`, or an empty string if no known name is similar to `name`."""
    found = nearest(name, known)
    return f'; did you mean "{found}"?' if found is not None else ""


def _names_like(pattern: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The dotted names most similar to a regular expression that matches none of them.

    Args:
        pattern: the regular expression.
        names: names of parameters, such as `encoder.weight`.
        count: maximum number of names to return.
    """
    wanted = re.sub(r"[^\w.]", "", pattern.replace("\\", "")).strip(".")

    def similarity(name: str) -> float:
        # a pattern usually names only the first or the last modules of the path
        parts, length = name.split("."), wanted.count(".") + 1
        candidates = {name, ".".join(parts[:length]), ".".join(parts[-length:])}
        return max(difflib.SequenceMatcher(None, wanted, candidate).ratio() for candidate in candidates)

    return sorted(names, key=similarity, reverse=True)[:count]


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _initials(name: str) -> str | None:
    """`lr` for `learning_rate`; None for a single word."""
    words = _plain(name).split("_")
    return "".join(word[:1] for word in words) if len(words) > 1 else None
