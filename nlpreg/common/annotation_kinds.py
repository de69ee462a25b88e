"""Which kind of annotation something is."""

from __future__ import annotations

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

__all__ = [
    "LIST_TYPES",
    "MAPPING_TYPES",
    "SET_TYPES",
    "is_device",
    "is_lazy_type",
    "is_path",
    "is_tensor",
    "unwrapped",
]

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
    """Whether this is `Lazy` or `Lazy[...]`; known by its name, since `Lazy` is built on what is here."""
    return getattr(typing.get_origin(annotation) or annotation, "__name__", "") == "Lazy"


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
