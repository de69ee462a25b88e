"""The kinds of annotations, and each in the words of a message: `list[int]` is "a list of whole numbers"."""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
    Set,
)
from pathlib import PurePath
from typing import Any

from nlpreg.common.config.hints import is_union, type_name
from nlpreg.common.lazy import Lazy

LIST_TYPES: dict[Any, Callable[..., Any]] = dict.fromkeys(
    (list, Sequence, MutableSequence, Iterable, Collection), list
)
SET_TYPES: dict[Any, Callable[..., Any]] = {set: set, frozenset: frozenset, Set: set}
MAPPING_TYPES = (dict, Mapping, MutableMapping)


def unwrapped(annotation: Any) -> Any:
    """The annotation inside `Annotated` and `NewType`; a type variable's bound."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif isinstance(annotation, typing.TypeVar):
            annotation = annotation.__bound__ or Any
        else:
            return annotation


def is_lazy_type(annotation: Any) -> bool:
    """Whether this is `Lazy` or `Lazy[...]`."""
    return (typing.get_origin(annotation) or annotation) is Lazy


def is_tensor(annotation: Any) -> bool:
    """Tensors cannot stand in a config; torch is not imported to ask."""
    return (
        isinstance(annotation, type)
        and annotation.__module__.split(".")[0] == "torch"
        and annotation.__name__ in ("Tensor", "Parameter")
    )


def is_device(annotation: Any) -> bool:
    """Whether this is `torch.device`; torch is not imported to ask."""
    return isinstance(annotation, type) and (annotation.__module__, annotation.__name__) == (
        "torch",
        "device",
    )


def is_path(annotation: Any) -> bool:
    """Whether this is a class of paths, or `os.PathLike[...]`."""
    annotation = typing.get_origin(annotation) or annotation
    return isinstance(annotation, type) and (annotation is os.PathLike or issubclass(annotation, PurePath))


_WORDS: dict[Any, tuple[str, str]] = {
    bool: ("true or false", "truth values"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
}


def expected(annotation: Any) -> str:
    """What a config may give for an annotation, with its article; empty where anything will do."""
    annotation = unwrapped(annotation)
    if annotation in (Any, inspect.Parameter.empty):
        return ""
    if annotation in _WORDS:
        return _WORDS[annotation][0]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if is_union(annotation):
        members = [
            expected(member) for member in arguments if member is not type(None) and not is_tensor(member)
        ]
        return "" if "" in members else " or ".join(dict.fromkeys(members))
    if is_lazy_type(annotation):
        return expected(arguments[0]) if arguments else ""
    if origin is typing.Literal:
        return "one of " + ", ".join(repr(argument) for argument in arguments)
    if is_path(annotation):
        return "a path"
    if is_device(annotation):
        return "the name of a device"
    if origin in MAPPING_TYPES and arguments:
        return "an object"
    if origin is tuple and arguments[1:] != (...,):
        items = ", ".join(expected(argument) or "anything" for argument in arguments)
        return f"a list of {len(arguments)} items ({items})"
    if arguments and (origin in LIST_TYPES or origin in SET_TYPES or origin is tuple):
        item = unwrapped(arguments[0])
        plural = _WORDS[item][1] if item in _WORDS else type_name(item) if isinstance(item, type) else ""
        return f"a list of {plural}" if plural else "a list"
    return with_article(type_name(annotation))


def with_article(name: str) -> str:
    """`an Optimizer`, `a Model`."""
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"
