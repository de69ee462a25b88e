"""Annotations as a small tree of kinds: what a config may hold in a place.

`kind_of` is the only reader of annotations. Whatever is done with them (resolving a value, JSON Schema, words for messages, an
example) walks its tree. Trees are not cached by annotation: `Union[int, str] == Union[str, int]`, but the order counts.
"""

import dataclasses
import enum
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
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from nlpreg.common.config.hints import is_union
from nlpreg.common.lazy import Lazy

_LISTS: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys((list, Sequence, MutableSequence, Iterable, Collection), list),
    **{set: set, frozenset: frozenset, Set: set, tuple: tuple},
}
"""Origin of an annotation with one kind of items -> what a list in a config becomes."""

_MAPPINGS = (dict, Mapping, MutableMapping)


@dataclass(frozen=True)
class Kind:
    """What may stand in one place.

    Args:
        annotation: as it was written, without `Annotated` and the like.
    """

    annotation: Any


class Anything(Kind):
    """No annotation, `Any`, or one that says nothing of a config: values are passed on as they are."""


class Null(Kind):
    """`None`."""


class Scalar(Kind):
    """`bool`, `int`, `float` or `str`; the annotation is the class."""


@dataclass(frozen=True)
class Choice(Kind):
    """`Literal[...]`: one of a few values."""

    values: tuple[Any, ...]


class Enumeration(Kind):
    """A class of an enumeration: a config gives the name or the value of a member."""


class FilePath(Kind):
    """A class of paths, or `os.PathLike[...]`."""


class Device(Kind):
    """`torch.device`: a number or a name."""


class Tensor(Kind):
    """A tensor, which cannot stand in a config."""


@dataclass(frozen=True)
class ListOf(Kind):
    """Any number of values of one kind: a list, set, or tuple.

    Args:
        item: the kind of each.
        make: makes the container from the values.
    """

    item: Kind
    make: Callable[..., Any]


@dataclass(frozen=True)
class TupleOf(Kind):
    """A tuple with a kind for each place."""

    items: tuple[Kind, ...]


@dataclass(frozen=True)
class MappingOf(Kind):
    """A mapping: an object in a config."""

    key: Kind
    value: Kind


@dataclass(frozen=True)
class AnyOf(Kind):
    """A union: its members in written order, `None` among them."""

    members: tuple[Kind, ...]

    @property
    def allows_null(self) -> bool:
        """Whether `None` is a member."""
        return any(isinstance(member, Null) for member in self.members)


@dataclass(frozen=True)
class Later(Kind):
    """`Lazy[...]`.

    Args:
        inner: what will be built; None for `Lazy` alone.
    """

    inner: Kind | None


class Built(Kind):
    """A class with `from_params`, or the base of a registry: a section of the config."""


class Record(Kind):
    """A dataclass: an object with its fields."""


def kind_of(annotation: Any) -> Kind:
    """The tree of an annotation."""
    annotation = _unwrapped(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if is_union(annotation):
        return AnyOf(annotation, tuple(map(kind_of, arguments)))
    if (origin or annotation) is Lazy:
        return Later(annotation, kind_of(arguments[0]) if arguments else None)
    if origin is typing.Literal:
        return Choice(annotation, arguments)
    if annotation is type(None) or annotation is None:
        return Null(type(None))
    if arguments and origin in _MAPPINGS:
        return MappingOf(annotation, kind_of(arguments[0]), kind_of(arguments[-1]))
    if origin is tuple and arguments and arguments[1:] != (...,):
        return TupleOf(annotation, tuple(map(kind_of, arguments)))
    if arguments and origin in _LISTS:
        return ListOf(annotation, kind_of(arguments[0]), _LISTS[origin])
    return _kind_of_class(annotation, origin or annotation)(annotation)


def _kind_of_class(annotation: Any, cls: Any) -> type[Kind]:
    """The kind of an annotation that has no parts; `cls` is a generic one without its arguments."""
    if annotation in (bool, int, float, str):
        return Scalar
    if hasattr(annotation, "from_params"):
        return Built
    if not isinstance(cls, type):
        return Anything
    if cls is os.PathLike or issubclass(cls, PurePath):
        return FilePath
    # by their names: torch is not imported to ask
    if cls.__module__.split(".")[0] == "torch" and cls.__name__ in ("Tensor", "Parameter"):
        return Tensor
    if (cls.__module__, cls.__name__) == ("torch", "device"):
        return Device
    if issubclass(cls, enum.Enum):
        return Enumeration
    return Record if annotation is cls and dataclasses.is_dataclass(cls) else Anything


def _unwrapped(annotation: Any) -> Any:
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


def members_of(kind: Kind) -> tuple[Kind, ...]:
    """The members of a union that a config can give, without `None` and tensors; of any other kind, itself."""
    if not isinstance(kind, AnyOf):
        return (kind,)
    return tuple(member for member in kind.members if not isinstance(member, (Null, Tensor)))


_WORDS: dict[Any, tuple[str, str]] = {
    bool: ("true or false", "truth values"),
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
}


def expected(annotation: Any) -> str:
    """What a config may give for an annotation, or its kind, with its article; empty where anything will do."""
    kind = annotation if isinstance(annotation, Kind) else kind_of(annotation)
    match kind:
        case Scalar():
            return _WORDS[kind.annotation][0]
        case AnyOf():
            members = [expected(member) for member in members_of(kind)]
            return "" if "" in members else " or ".join(dict.fromkeys(members))
        case Later():
            return expected(kind.inner) if kind.inner else ""
        case Choice():
            return "one of " + ", ".join(map(repr, kind.values))
        case FilePath():
            return "a path"
        case Device():
            return "the name of a device"
        case MappingOf():
            return "an object"
        case TupleOf():
            items = ", ".join(expected(item) or "anything" for item in kind.items)
            return f"a list of {len(kind.items)} items ({items})"
        case ListOf():
            plural = _plural(kind.item)
            return f"a list of {plural}" if plural else "a list"
        case Anything() if kind.annotation in (Any, inspect.Parameter.empty):
            return ""
        case _:
            return with_article(type_name(kind.annotation))


def _plural(kind: Kind) -> str:
    if isinstance(kind, Scalar):
        return _WORDS[kind.annotation][1]
    return type_name(kind.annotation) if isinstance(kind.annotation, type) else ""


def type_name(annotation: Any) -> str:
    """An annotation, or its kind, as a person writes it: `list[int]`, `Seq2SeqEncoder`, `float or None`; `Lazy[X]` is `X`."""
    if isinstance(annotation, list):  # the arguments of a `Callable`
        return "[" + ", ".join(map(type_name, annotation)) + "]"
    if annotation is ...:
        return "..."
    kind = annotation if isinstance(annotation, Kind) else kind_of(annotation)
    match kind:
        case Null():
            return "None"
        case AnyOf():
            return " or ".join(type_name(member) for member in kind.members)
        case Choice():
            return " or ".join(map(repr, kind.values))
        case Later() if kind.inner:
            return type_name(kind.inner)
    annotation = kind.annotation
    if annotation is inspect.Parameter.empty:
        return "anything"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is not None and arguments:
        return f"{getattr(origin, '__name__', origin)}[{', '.join(map(type_name, arguments))}]"
    return str(getattr(annotation, "__name__", annotation)).replace("typing.", "")


def with_article(name: str) -> str:
    """`an Optimizer`, `a Model`."""
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"
