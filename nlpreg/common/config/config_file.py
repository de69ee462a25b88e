"""A config file read for checking: evaluated as far as possible despite its errors, which are collected."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nlpreg.common.checks import ConfigurationError, did_you_mean
from nlpreg.common.config import jsonnet
from nlpreg.common.config.jsonnet_places import JsonnetSource
from nlpreg.common.config.problems import Problem
from nlpreg.common.params import read_config_text

UNSET_VARIABLE = "@@unset variable "
"""Prefix of the placeholder for an unset environment variable, which lets the rest of the config be checked."""

_DUPLICATE = "@@duplicate@@"
_STAND_IN = re.compile(rf"{UNSET_VARIABLE}(.+?)@@")
_ADVICE = {
    "expected token OPERATOR": "; a key is followed by a colon",
    "field does not exist: ext": "; it is written std.extVar",
    "Unknown variable": '; a string needs quotes, an environment variable std.extVar("NAME"), a variable "local"',
}
"""Start of a Jsonnet error message -> advice to append to it."""
_UNDEFINED = re.compile(r"[Uu]ndefined external variable: (\S+)")


@dataclass
class ConfigFile:
    """A config and the locations of its keys.

    Args:
        path: the file.
        source: the parsed source, which has the locations of keys.
        config: the evaluated config with overrides; None where evaluation failed.
        problems: problems of the file itself.
        overridden: dotted keys that the command line replaced.
    """

    path: str
    source: JsonnetSource
    config: dict[str, Any] | None = None
    problems: list[Problem] = field(default_factory=list)
    overridden: tuple[str, ...] = ()

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        overrides: str | Mapping[str, Any] = "",
        texts: Mapping[str, str] | None = None,
    ) -> "ConfigFile":
        """Read and evaluate a file.

        Args:
            path: a local path or a URL.
            overrides: as on the command line.
            texts: path -> content of files that overrides the disk.

        Raises:
            FileNotFoundError: there is no such file.
            ConfigurationError: the file is a folder, or not UTF-8; or the overrides are no object.
        """
        from nlpreg.common.file_utils import cached_path

        name = cached_path(path)
        text = (texts or {}).get(name) or read_config_text(name)
        file = cls(name, JsonnetSource.read(name, text, texts=texts))
        file._report_duplicates()
        file._evaluate()
        changes = jsonnet.parse_overrides(overrides) if isinstance(overrides, str) else dict(overrides)
        if file.config is not None and changes:
            file.overridden = tuple(changes)
            try:
                file.config = jsonnet.with_overrides(file.config, changes)
            except ValueError as error:
                file.problems.append(Problem("", str(error)))
        try:
            jsonnet.check_depth(file.config)
        except ConfigurationError as error:
            file.config = None  # nested too deeply for recursive functions
            file.problems.append(Problem("", str(error)))
        return file

    @staticmethod
    def is_due_to_unset(problem: Problem) -> bool:
        """Whether a problem is only a consequence of an unset variable, which is already reported."""
        return UNSET_VARIABLE in problem.message and not problem.is_type

    def located(self, problem: Problem) -> Problem:
        """The problem with the location of its key, if known."""
        message = _STAND_IN.sub(lambda match: f"${match.group(1)}", problem.message)
        problem = replace(problem, message=message)
        if problem.location:
            return problem
        for key in self.overridden:
            if problem.path == key or problem.path.startswith(key + "."):
                return replace(problem, location="in the overrides")
        return replace(problem, location=self.source.locate(problem.path))

    def _report_duplicates(self) -> None:
        for source in self.source.all_sources():
            for first, second in source.duplicates:
                self.problems.append(
                    Problem(
                        self.source.path_of(second),
                        f"duplicate key; it is also defined in line {first.line}; remove one of them",
                        location=f"{source.path}:{second.line}",
                    )
                )

    def _evaluate(self) -> None:
        """Evaluate the file with placeholders for unset variables and without duplicate keys."""
        variables = jsonnet.external_variables()
        for source in self.source.all_sources():
            for token in source.variables:
                if token.value not in variables:
                    self._report_unset(token.value, f"{source.path}:{token.line}", variables)
        sources = {os.path.realpath(source.path): source for source in self.source.all_sources()}

        def imported(folder: str, relative: str) -> tuple[str, bytes]:
            target = os.path.join(folder, relative)
            if not os.path.isfile(target):
                raise RuntimeError(f"couldn't open import {relative!r}: there is no file {target}")
            source = sources.get(os.path.realpath(target))
            return target, _without_duplicates(source or JsonnetSource.read(target)).encode("utf-8")

        # Jsonnet stops at its first error: supply the missing variable and evaluate again until none is missing
        while True:
            try:
                value = jsonnet.evaluate_jsonnet(
                    self.path, _without_duplicates(self.source), variables, import_callback=imported
                )
            except RuntimeError as error:
                unset = _UNDEFINED.search(str(error))
                if unset and unset.group(1) not in variables:
                    self._report_unset(unset.group(1), _place_in(str(error), self.path), variables)
                elif not self._replaced_by_numbers(variables, str(error)):
                    place = _place_in(str(error), self.path)
                    self.problems.append(Problem("", _readable(str(error)), location=place))
                    return
            else:
                break
        if not isinstance(value, dict):
            self.problems.append(Problem("", f"{self.path}: expected an object, got {str(value)[:60]}"))
            return
        try:
            jsonnet.check_depth(value)
        except ConfigurationError as error:
            self.problems.append(Problem("", str(error)))
            return
        self.config = _dropped(value)

    def _report_unset(self, name: str, place: str, variables: dict[str, str]) -> None:
        self.problems.append(
            Problem(
                f"std.extVar({name!r})",
                f"the environment variable {name} is not set; set it, as in: {name}=... nlpreg train ..."
                + did_you_mean(
                    name, [known for known in variables if UNSET_VARIABLE not in variables[known]]
                ),
                location=place,
            )
        )
        variables[name] = f"{UNSET_VARIABLE}{name}@@"

    @staticmethod
    def _replaced_by_numbers(variables: dict[str, str], message: str) -> bool:
        """Replace placeholders by numbers where Jsonnet needs a number; return whether there were any."""
        unset = [name for name, value in variables.items() if UNSET_VARIABLE in value]
        named = [name for name in _STAND_IN.findall(message) if name in unset]
        for name in named or unset:
            variables[name] = "1"
        return bool(unset)


def _without_duplicates(source: JsonnetSource) -> str:
    """The text with duplicate keys renamed, so that Jsonnet accepts it."""
    text = source.text
    # from the end to the beginning, so that earlier offsets stay valid
    tokens = sorted((second.token for _, second in source.duplicates if second.token), key=lambda t: -t.start)
    for number, token in enumerate(tokens):
        end = token.start + len(token.text)
        text = f'{text[: token.start]}"{_DUPLICATE}{number}"{text[end:]}'
    return text


def _dropped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _dropped(item) for key, item in value.items() if not key.startswith(_DUPLICATE)}
    if isinstance(value, list):
        return [_dropped(item) for item in value]
    # as in `Params`: AllenNLP's configs may write null as "None"
    return None if value == "None" else value


def _place_in(message: str, path: str) -> str:
    """The first "file:line" in a Jsonnet error."""
    found = re.search(r"(\S+?):\(?(\d+)(?::\d+)?", message.replace(os.path.basename(path), "@file@"))
    if found is None:
        return ""
    return f"{found.group(1).replace('@file@', os.path.basename(path))}:{found.group(2)}"


def _readable(message: str) -> str:
    """The first line of a Jsonnet error, without its prefix and location."""
    first = message.strip().splitlines()[0]
    first = re.sub(r"^(STATIC|RUNTIME) ERROR: ", "", first)
    first = re.sub(r"^\S+?:\(?[\d:\-()]+\)?:? ", "", first)
    if "string and number" in first or "number and string" in first:
        first += " (std.extVar gives a string; std.parseJson makes a number of it)"
    for start, advice in _ADVICE.items():
        if first.startswith(start):
            first = first.rstrip(".") + advice
    return f"this is not valid Jsonnet: {first}"
