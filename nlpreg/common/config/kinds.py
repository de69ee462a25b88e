"""Annotations parsed into a tree of kinds, which describe the values that a config may have.

`kind_of` is the only reader of annotations. Whatever is done with them (resolving a value, JSON Schema, words for messages, an
example) walks its tree. Trees are not cached by annotation: `Union[int, str] == Union[str, int]`, but the order counts.
"""

import dataclasses
import enum
import inspect
import os
import typing
from collections import abc
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from nlpreg.common.checks import Range
from nlpreg.common.config.hints import is_union
from nlpreg.common.lazy import Lazy

_LISTS: dict[Any, abc.Callable[..., Any]] = {
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection), list),
    **{set: set, frozenset: frozenset, abc.Set: set, tuple: tuple},
}
"""Origin of an annotation with items of one kind -> the container that a list in a config is converted to."""

_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)


@dataclass(frozen=True)
class Kind:
    """Base class of kinds of config values.

    Args:
        annotation: the annotation, without `Annotated` and similar wrappers.
    """

    annotation: Any


class Anything(Kind):
    """No annotation, `Any`, or an annotation without meaning for configs: values are passed on unchanged."""


class Null(Kind):
    """`None`."""


@dataclass(frozen=True)
class Scalar(Kind):
    """`bool`, `int`, `float` or `str`; the annotation is the class.

    Args:
        range: the range of a number, from `Annotated[int, Range(...)]`; None for no limits.
    """

    range: Range | None = None


@dataclass(frozen=True)
class Choice(Kind):
    """`Literal[...]`."""

    values: tuple[Any, ...]


class Enumeration(Kind):
    """An `enum.Enum`: a config has the name or the value of a member."""


class FilePath(Kind):
    """A path class such as `pathlib.Path`, or `os.PathLike[...]`."""


class Device(Kind):
    """`torch.device`: a number or a name."""


class Tensor(Kind):
    """A tensor, which a config cannot contain."""


@dataclass(frozen=True)
class ListOf(Kind):
    """Any number of values of one kind: a list, set, or tuple.

    Args:
        item: the kind of the items.
        make: constructs the container from the values.
    """

    item: Kind
    make: abc.Callable[..., Any]


@dataclass(frozen=True)
class TupleOf(Kind):
    """A tuple of fixed length, with a kind for each item."""

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
        inner: the kind of what is built; None for a bare `Lazy`.
    """

    inner: Kind | None


class Built(Kind):
    """A class with `from_params`, or the base of a registry: a section of the config."""


class Record(Kind):
    """A dataclass: an object with its fields."""


def kind_of(annotation: Any) -> Kind:
    """Parse an annotation."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *notes = typing.get_args(annotation)
        kind = kind_of(annotation)
        limits = next((note for note in notes if isinstance(note, Range)), None)
        return Scalar(kind.annotation, limits) if limits and isinstance(kind, Scalar) else kind
    if hasattr(annotation, "__supertype__"):  # of a `NewType`
        return kind_of(annotation.__supertype__)
    if isinstance(annotation, typing.TypeVar):
        return kind_of(annotation.__bound__ or Any)
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
    # compared by name, to avoid the import of torch
    if cls.__module__.split(".")[0] == "torch" and cls.__name__ in ("Tensor", "Parameter"):
        return Tensor
    if (cls.__module__, cls.__name__) == ("torch", "device"):
        return Device
    if issubclass(cls, enum.Enum):
        return Enumeration
    return Record if annotation is cls and dataclasses.is_dataclass(cls) else Anything


def members_of(kind: Kind) -> tuple[Kind, ...]:
    """The members of a union that a config can contain, without `None` and tensors; other kinds are their only member."""
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
    """The expected config value of an annotation or kind, in words with an article; an empty string for any value."""
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
            items = plural(kind.item)
            return f"a list of {items}" if items else "a list"
        case Anything() if kind.annotation in (Any, inspect.Parameter.empty):
            return ""
        case _:
            return with_article(type_name(kind.annotation))


def plural(kind: Kind) -> str:
    """Several config values of a kind, in words; an empty string for values that have no name."""
    if isinstance(kind, Scalar):
        return _WORDS[kind.annotation][1]
    return type_name(kind.annotation) if isinstance(kind.annotation, type) else ""


def type_name(annotation: Any) -> str:
    """Format an annotation or kind: `list[int]`, `Seq2SeqEncoder`, `float or None`; `Lazy[X]` becomes `X`."""
    if isinstance(annotation, list):  # the argument types of a `Callable`
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
