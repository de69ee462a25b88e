"""Fingerprints of objects, used as keys of persistent caches."""

import enum
import functools
import hashlib
import json
import os
import re
import sys
from collections.abc import Collection
from pathlib import PurePath
from typing import Any

from nlpreg.common.from_params import FromParams
from nlpreg.common.registrable import Registrable

CHUNK_BYTES = 1024 * 1024


class NoFingerprintError(ValueError):
    """An object contains something that has no reproducible fingerprint."""


def fingerprint(value: Any, leave_out: Collection[str] = ()) -> str:
    """A digest that is equal, in every process, for objects with equal configuration and code.

    It covers the objects' `_to_params`, if defined, or else their attributes, and the content of the files that define their
    classes and functions, so that a change of code changes the fingerprint.

    Args:
        value: plain values, containers, and objects made of these.
        leave_out: names of attributes of `value` itself that are ignored.

    Raises:
        NoFingerprintError: it contains a value of another kind.
    """
    described = _of_object(value, (), leave_out) if leave_out else _describe(value, ())
    return hashlib.blake2b(json.dumps(described).encode("utf-8"), digest_size=20).hexdigest()


@functools.cache
def _digest_of_module(path: str) -> str:
    return fingerprint_of_files(path)


def fingerprint_of_files(*paths: str | os.PathLike[str], digest_size: int = 20) -> str:
    """A digest of the concatenated content of files."""
    digest = hashlib.blake2b(digest_size=digest_size)
    for path in paths:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def _describe(value: Any, above: tuple[int, ...]) -> Any:
    """Convert a value to JSON; `above` has the ids of the enclosing objects, to detect cycles."""
    if isinstance(value, enum.Enum):
        return ["enum", _of_class(type(value)), value.name]
    if value is None or isinstance(value, (bool, int, float, str, bytes, range)):
        return [type(value).__name__, repr(value)]
    if id(value) in above:
        raise NoFingerprintError(f"a {type(value).__name__} that contains itself")
    inside = (*above, id(value))
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [_describe(item, inside) for item in value]]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted(json.dumps(_describe(item, inside)) for item in value)]
    if isinstance(value, dict):
        items = [[json.dumps(_describe(key, inside)), _describe(item, inside)] for key, item in value.items()]
        return ["dict", sorted(items, key=lambda item: str(item[0]))]
    if isinstance(value, PurePath):
        return ["path", str(value)]
    if isinstance(value, re.Pattern):
        return ["pattern", _describe(value.pattern, above), value.flags]
    if hasattr(value, "__qualname__"):  # a class or a function
        return _of_class(value)
    return _of_object(value, inside, ())


def _of_class(value: Any) -> list[str]:
    """A class or a function: its name and the content of its file."""
    if not isinstance(value, type) and "<" in value.__qualname__:  # <locals>, <lambda>
        raise NoFingerprintError(
            f"the function {value.__qualname__}, which may depend on its enclosing scope"
        )
    path = getattr(sys.modules.get(value.__module__), "__file__", None)
    digest = _digest_of_module(path) if path and path.endswith(".py") else ""
    return ["class", value.__module__, value.__qualname__, digest]


def _of_object(value: Any, above: tuple[int, ...], leave_out: Collection[str]) -> Any:
    cls = type(value)
    classes = [_of_class(base) for base in cls.__mro__ if base.__module__ != "builtins"]
    to_params = getattr(cls, "_to_params", None)
    by_attributes = (None, FromParams._to_params, Registrable._to_params, Registrable.all_arguments)
    # a subclass with another constructor may have more state than an inherited `_to_params` covers
    if to_params not in by_attributes and _owner(cls, "_to_params") <= _owner(cls, "__init__"):
        return ["params", classes, _describe(value._to_params(), above)]
    has_slots = any("__slots__" in vars(base) for base in cls.__mro__ if base.__module__ != "builtins")
    if cls.__module__ == "builtins" or not (has_slots or hasattr(value, "__dict__")):
        raise NoFingerprintError(f"a {cls.__module__}.{cls.__qualname__}, whose content cannot be seen")
    names = [name for base in cls.__mro__ for name in _slots(base)] + list(getattr(value, "__dict__", ()))
    attributes = {
        name: getattr(value, name) for name in names if name not in leave_out and hasattr(value, name)
    }
    return ["object", classes, _describe(attributes, above)]


def _owner(cls: type, name: str) -> int:
    """The place in the method resolution order of the class that defines an attribute."""
    return next(i for i, base in enumerate(cls.__mro__) if name in vars(base))


def _slots(cls: type) -> list[str]:
    slots = vars(cls).get("__slots__", ())
    names = [slots] if isinstance(slots, str) else slots
    return [name for name in names if name not in ("__dict__", "__weakref__")]
