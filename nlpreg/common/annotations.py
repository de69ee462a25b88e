"""A config value beside an annotation: what it becomes, or why it does not fit."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nlpreg.common.annotation_kinds import (
    LIST_TYPES,
    MAPPING_TYPES,
    SET_TYPES,
    is_device,
    is_lazy_type,
    is_path,
    is_tensor,
    unwrapped,
)
from nlpreg.common.hints import is_union, type_name, union_members
from nlpreg.common.nodes import Container, Literal, Node, Special, UnionOf
from nlpreg.common.params import Params
from nlpreg.common.problems import Problem, found
from nlpreg.common.special_keys import SPECIAL_KEYS, SPECIAL_SECTIONS
from nlpreg.common.suggestions import did_you_mean
from nlpreg.common.wording import expected

__all__ = ["AnnotationResolver", "plain"]


class AnnotationResolver:
    """The part of `Resolver` that knows the kinds of annotations."""

    problems: list[Problem]

    def child(self) -> AnnotationResolver:
        """A resolver in the same situation with a list of problems of its own."""
        raise NotImplementedError

    def report(self, path: str, message: str, is_type: bool = False) -> None:
        """Add a problem."""
        raise NotImplementedError

    def object(self, cls: Any, value: Any, path: str) -> Node:
        """Resolve an object of a class that has `from_params`."""
        raise NotImplementedError

    def call(self, cls: Any, constructor: Any, value: Mapping[str, Any], path: str) -> Node:
        """Resolve the arguments of a constructor."""
        raise NotImplementedError

    def lazy(self, cls: Any, value: Any, path: str, owner: Any) -> Node:
        """Resolve an argument that will be built later."""
        raise NotImplementedError

    def argument(self, parameter: inspect.Parameter, value: Any, path: str, owner: Any) -> Node:
        """Resolve one argument of a constructor.

        Args:
            parameter: name, annotation and default.
            value: from the config.
            path: key path of the value.
            owner: the class whose constructor it is.
        """
        if value is None:
            self._check_null(parameter, path, owner)
            return Literal(None)
        value = plain(value)
        if isinstance(value, dict):
            for key, get in SPECIAL_KEYS.items():
                if key in value:
                    self._check_special(key, value[key], f"{path}.{key}")
                    return Special(get, value, key, parameter.annotation, path)
        return self.resolve(parameter.annotation, value, path, owner)

    def _check_null(self, parameter: inspect.Parameter, path: str, owner: Any) -> None:
        """`null` fits every argument, but for required ones and numbers of nlpreg's own classes, annotated exactly."""
        annotation = unwrapped(parameter.annotation)
        is_ours = str(getattr(owner, "__module__", "")).startswith("nlpreg.")
        allows_none = is_union(annotation) and type(None) in typing.get_args(annotation)
        words = expected(annotation)
        is_required = parameter.default is inspect.Parameter.empty
        if is_ours and (is_required or annotation in (int, float)) and not allows_none and words:
            hint = "" if is_required else f"; leave it out for the default, {parameter.default}"
            self.report(path, f"expected {words}, found null{hint}")

    def _check_special(self, key: str, section: Any, path: str) -> None:
        """Report what is wrong with what stands under a special key."""
        expected = SPECIAL_SECTIONS.get(key)
        if expected is None:
            return
        if isinstance(section, Mapping):
            self.call(expected, None, section, path)
        else:
            self.report(path, f"expected an object, found {found(section)}")

    def resolve(self, annotation: Any, value: Any, path: str, owner: Any = None) -> Node:
        """Resolve a value beside an annotation."""
        annotation = unwrapped(annotation)
        if is_union(annotation):
            return self._union(annotation, value, path, owner)
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if is_lazy_type(annotation):
            if type(value).__name__ == "Lazy" or not arguments:
                return Literal(value)
            return self.lazy(unwrapped(arguments[0]), value, path, owner)
        if origin is typing.Literal:
            return self._choice(arguments, value, path)
        if annotation in _SCALARS:
            return self._scalar(annotation, value, path)
        if origin in LIST_TYPES or origin in SET_TYPES or origin is tuple or origin in MAPPING_TYPES:
            return self._container(origin, arguments, annotation, value, path, owner)
        if hasattr(annotation, "from_params"):
            return self.object(annotation, value, path)
        if is_path(annotation) or is_device(annotation):
            return self._path_or_device(annotation, value, path)
        if isinstance(annotation, type):
            if issubclass(annotation, enum.Enum):
                return self._enum(annotation, value, path)
            if dataclasses.is_dataclass(annotation) and isinstance(value, dict):
                return self.call(annotation, None, value, path)
        return Literal(value)

    def _scalar(self, annotation: Any, value: Any, path: str) -> Node:
        if isinstance(value, Path) and annotation is str:
            return Literal(str(value))
        fits = isinstance(value, _SCALARS[annotation])
        if isinstance(value, bool) and annotation is not bool:
            fits = False
        if not fits:
            hint = _number_in_string(annotation, value)
            self.report(
                path, f"expected {_SCALAR_NAMES[annotation]}, found {found(value)}{hint}", is_type=True
            )
        return Literal(value)

    def _path_or_device(self, annotation: Any, value: Any, path: str) -> Node:
        """A string, which the constructor itself makes a path or a device of; or, for a device, its number."""
        fits = is_device(annotation) and isinstance(value, int) and not isinstance(value, bool)
        if not fits and isinstance(value, (bool, int, float, list, dict)):
            words = "a device: its number, or a string" if is_device(annotation) else "a path"
            self.report(path, f"expected {words}, found {found(value)}", is_type=True)
        return Literal(value)

    def _choice(self, choices: tuple[Any, ...], value: Any, path: str) -> Node:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            expected = ", ".join(repr(choice) for choice in choices)
            self.report(
                path, f"expected one of {expected}, found {found(value)}" + did_you_mean(value, choices)
            )
        return Literal(value)

    def _enum(self, annotation: type[enum.Enum], value: Any, path: str) -> Node:
        if isinstance(value, annotation):
            return Literal(value)
        for member in annotation:
            if value == member.value or value == member.name:
                return Literal(member)
        names = [member.name for member in annotation]
        self.report(
            path, f"expected one of {', '.join(names)}, found {found(value)}" + did_you_mean(value, names)
        )
        return Literal(value)

    def _union(self, annotation: Any, value: Any, path: str, owner: Any) -> Node:
        if value is None and type(None) in typing.get_args(annotation):
            return Literal(None)
        members = union_members(annotation)
        json_members = [member for member in members if not is_tensor(member)] or list(members)
        fitting: list[Node] = []
        attempts: list[list[Problem]] = []
        for member in json_members:
            attempt = self.child()
            node = attempt.resolve(member, value, path, owner)
            if attempt.problems:
                attempts.append(attempt.problems)
            else:
                fitting.append(node)
        if len(fitting) == 1 and not attempts:
            return fitting[0]
        if fitting and all(isinstance(node, Literal) and node.value is value for node in fitting):
            return fitting[0]  # it is what it is, whichever member is meant
        if fitting:
            return UnionOf(fitting, path, type_name(annotation))
        if len(attempts) == 1:
            self.problems.extend(attempts[0])
            return Literal(value)
        inside = [problems for problems in attempts if all(problem.path != path for problem in problems)]
        if len(inside) == 1:  # one member has the right shape, so its problems are the user's
            self.problems.extend(inside[0])
        else:
            self.report(
                path, f"expected {expected(annotation)}, found {found(value)}{_reasons(attempts, path)}"
            )
        return Literal(value)

    def _container(
        self, origin: Any, arguments: tuple[Any, ...], annotation: Any, value: Any, path: str, owner: Any
    ) -> Node:
        if origin in MAPPING_TYPES:
            if not isinstance(value, Mapping):
                self.report(path, f"expected an object, found {found(value)}", is_type=True)
                return Literal(value)
            items = {
                key: self.resolve(arguments[-1], item, f"{path}.{key}", owner) for key, item in value.items()
            }
            return Container(dict, items)
        if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
            one = self.child()
            one.resolve(arguments[0], value, path, owner)
            fits = not one.problems and (origin is not tuple or arguments[1:] == (...,))
            hint = f"; for a list of one, write [{found(value, kind=False)}]" if fits else ""
            self.report(path, f"expected {expected(annotation)}, found {found(value)}{hint}", is_type=True)
            return Literal(value)
        values = list(value)
        if origin is not tuple or (len(arguments) == 2 and arguments[1] is ...):
            kind: Callable[..., Any] = (
                tuple if origin is tuple else LIST_TYPES.get(origin) or SET_TYPES[origin]
            )
            types = [arguments[0]] * len(values)
        else:
            kind, types = tuple, list(arguments)
            if len(types) != len(values):
                self.report(
                    path,
                    f"expected {expected(annotation)}, found {len(values)} of them: {found(values)}",
                    is_type=True,
                )
                return Literal(value)
        return Container(
            kind,
            [
                self.resolve(t, v, f"{path}.{i}", owner)
                for i, (t, v) in enumerate(zip(types, values, strict=True))
            ],
        )


_SCALARS: dict[Any, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}
_SCALAR_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}


def _reasons(attempts: list[list[Problem]], path: str) -> str:
    """Why a value fits no member of a union, as far as the list of members does not say it."""
    if all(problem.path == path for problems in attempts for problem in problems):
        hints = [problem.message.partition("; ")[2] for problems in attempts for problem in problems]
        return "".join(f"; {hint}" for hint in dict.fromkeys(hints) if hint)
    firsts = [problems[0] for problems in attempts]
    return "; it does not fit because of " + ", or ".join(
        f"{first.path}: {first.message}" if first.path != path else first.message for first in firsts
    )


def _number_in_string(annotation: Any, value: Any) -> str:
    """A hint for the commonest slip: a number, or a truth value, in quotes."""
    if not isinstance(value, str) or annotation is str:
        return ""
    if annotation is bool:
        return "; write it without quotes" if value.lower() in ("true", "false") else ""
    try:
        annotation(value)
    except ValueError:
        return ""
    return f"; write {value} without quotes (std.parseJson turns an environment variable into a number)"


def plain(value: Any) -> Any:
    """A config value without `Params`: mappings as dicts, at any depth."""
    if isinstance(value, Params):
        return value.params
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
