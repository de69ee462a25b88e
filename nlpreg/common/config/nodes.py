"""The resolved config: a tree of "call this constructor with these arguments", not yet called.

`nlpreg.common.config.resolve` makes it from a config and type hints; `build` here walks it and constructs.
"""

import contextlib
import copy
import enum
import inspect
import logging
import math
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config import registry
from nlpreg.common.lazy import Lazy
from nlpreg.common.params import Params

logger = logging.getLogger(__name__)

Extras = Mapping[str, Any]

_paths: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def path_of(part: Any) -> str:
    """The key path in the config that an object was built from, such as `model.encoder`; empty if it was not."""
    with contextlib.suppress(TypeError):  # an object without a hash, or one that no weak reference can name
        return _paths.get(part, "")
    return ""


class Node:
    """A part of the resolved config."""

    def build(self, extras: Extras) -> Any:
        """Construct the object.

        Args:
            extras: objects that are not in the config (`vocab`, ...), passed to the constructors that have parameters of these
                names.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement build")

    def needed_extras(self) -> set[str]:
        """Names of the extras that constructors in this part receive; those of a `Lazy` are passed later."""
        return set()

    def as_config(self) -> Any:
        """The config of this part, with all defaults that JSON can express."""
        raise NotImplementedError(f"{type(self).__name__} does not implement as_config")


@dataclass
class Literal(Node):
    """A value that is passed on unchanged."""

    value: Any

    def build(self, extras: Extras) -> Any:
        """The value, copied if it is mutable."""
        # a copy, since a `Lazy` may build the same node more than once
        return copy.deepcopy(self.value) if isinstance(self.value, (dict, list)) else self.value

    def as_config(self) -> Any:
        """The value as JSON; a member of an enumeration by its name or value."""
        if isinstance(self.value, enum.Enum):
            return self.value.value if is_json(self.value.value) else self.value.name
        return str(self.value) if isinstance(self.value, PurePath) else self.value


@dataclass
class Container(Node):
    """A list, tuple, set or dict of other nodes."""

    kind: Callable[..., Any]
    items: list[Node] | dict[str, Node]

    def build(self, extras: Extras) -> Any:
        """The container with its items built."""
        if isinstance(self.items, dict):
            return {key: item.build(extras) for key, item in self.items.items()}
        return self.kind(item.build(extras) for item in self.items)

    def needed_extras(self) -> set[str]:
        """Those of the items."""
        items = self.items.values() if isinstance(self.items, dict) else self.items
        return set().union(*(item.needed_extras() for item in items))

    def as_config(self) -> Any:
        """A list or an object."""
        if isinstance(self.items, dict):
            return {key: item.as_config() for key, item in self.items.items()}
        return [item.as_config() for item in self.items]


@dataclass
class Call(Node):
    """A constructor and its arguments.

    Args:
        cls: the class, or a function.
        constructor: what is called: the class itself or one of its classmethods.
        path: key path in the config.
        arguments: those that the config gives.
        from_extras: names of arguments that are taken from the extras.
        missing: names of required arguments that neither the config nor the known extras give.
        defaults: values of the arguments that are not given; the constructor fills them in itself.
        default_sections: for defaults that are not plain values, equivalent sections of a config.
        type_name: the registered name in the config, if any.
        raw: further keyword arguments, for `**kwargs`.
    """

    cls: Any
    constructor: Callable[..., Any]
    path: str
    arguments: dict[str, Node] = field(default_factory=dict)
    from_extras: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)
    default_sections: dict[str, Node] = field(default_factory=dict)
    type_name: str | None = None
    raw: dict[str, Any] = field(default_factory=dict)

    def keyword_arguments(self, extras: Extras) -> dict[str, Any]:
        """The keyword arguments of the constructor."""
        arguments = {}
        for name, node in self.arguments.items():
            if name in extras:
                logger.warning(
                    "%s: the config gives %r, which nlpreg would have passed itself; the config's value is used",
                    self.path or "the config",
                    name,
                )
            arguments[name] = node.build(extras)
        for name in self.from_extras:
            if name in extras:  # otherwise the constructor's default is used
                arguments[name] = extras[name]
        for name, value in self.raw.items():
            arguments[name] = (
                Params(copy.deepcopy(value), f"{self.path}.{name}.") if isinstance(value, dict) else value
            )
        return arguments

    def build(self, extras: Extras) -> Any:
        """Call the constructor; an exception gets the key path as its attribute `config_path`."""
        arguments = self.keyword_arguments(extras)
        try:
            part = self.constructor(**arguments)
        except Exception as error:
            if not hasattr(error, "config_path"):  # keep the path of the innermost section
                error.config_path = self.path  # type: ignore[attr-defined]  # a note for the report of the error
                hint = self._hint_on_annotations(arguments)
                if hint:
                    error.hint = hint  # type: ignore[attr-defined]  # a note for the report of the error
            raise
        if self.path:
            with contextlib.suppress(TypeError):
                _paths[part] = self.path
        return part

    def _hint_on_annotations(self, arguments: Mapping[str, Any]) -> str:
        """Advice for a constructor that received plain sections of the config, because its parameters have no annotations."""
        with contextlib.suppress(TypeError, ValueError):  # a constructor without a signature
            parameters = inspect.signature(self.constructor).parameters
            bare = [
                name
                for name, value in arguments.items()
                if isinstance(value, (dict, Params))
                and name in parameters
                and parameters[name].annotation is inspect.Parameter.empty
            ]
            if bare:
                return (
                    f"{', '.join(bare)} of {getattr(self.cls, '__name__', self.cls)} got the section of the config as it stands, "
                    f"since the constructor has no annotation for it; write what it is, such as {bare[0]}: Seq2SeqEncoder"
                )
        return ""

    def needed_extras(self) -> set[str]:
        """The constructor's own, and those of its arguments."""
        return {*self.from_extras, *self.missing}.union(
            *(node.needed_extras() for node in self.arguments.values())
        )

    def as_config(self) -> dict[str, Any]:
        """The section of the config that would build the same, defaults filled in."""
        config: dict[str, Any] = {"type": self.type_name} if self.type_name else {}
        for name, node in self.arguments.items():
            config[name] = node.as_config()
        config.update(self.raw)
        for name, value in self.defaults.items():
            if name in self.default_sections:
                config[name] = self.default_sections[name].as_config()
            elif name not in config and (is_json(value) or isinstance(value, enum.Enum)):
                config[name] = Literal(list(value) if isinstance(value, tuple) else value).as_config()
        return config


@dataclass
class ForeignCall(Call):
    """A registered class or function of another library, called with plain values."""


@dataclass
class SectionCall(Node):
    """A class and its section of the config, which is passed on unchanged.

    Args:
        cls: the class.
        section: its section of the config.
        path: key path in the config.
        accepts: which of the extras its `from_params` takes; None for all.
    """

    cls: Any
    section: Mapping[str, Any]
    path: str
    accepts: frozenset[str] | None = None

    def params(self) -> Params:
        """A copy of the section, because a `from_params` in AllenNLP's style pops its keys."""
        return Params(copy.deepcopy(dict(self.section)), f"{self.path}." if self.path else "")

    def accepted(self, extras: Extras) -> dict[str, Any]:
        """Those of the extras that its `from_params` takes."""
        return {name: value for name, value in extras.items() if self.accepts is None or name in self.accepts}


@dataclass
class OpaqueCall(SectionCall):
    """A class with its own `from_params`.

    Args:
        call_options: `constructor_to_call` and `constructor_to_inspect`, where it was chosen by a registered name.
        type_name: the registered name it was chosen by, if any.
    """

    call_options: dict[str, Any] = field(default_factory=dict)
    type_name: str | None = None

    def build(self, extras: Extras) -> Any:
        """Call the class's own `from_params`."""
        return self.cls.from_params(params=self.params(), **self.accepted({**self.call_options, **extras}))

    def as_config(self) -> Any:
        """The section as it was given."""
        return {"type": self.type_name, **self.section} if self.type_name else self.section


@dataclass
class LazyCall(SectionCall):
    """A `Lazy` argument, built later by the constructor that receives it.

    Args:
        inner: the section, resolved; None where it could not be.
        known: names of the extras that it was resolved for.
    """

    inner: Node | None = None
    known: frozenset[str] = frozenset()

    def build(self, extras: Extras) -> Any:
        """The `Lazy` object."""
        return Lazy.resolved(self.cls, self.params(), self.accepted(extras), self.inner, self.known)

    def as_config(self) -> Any:
        """The resolved section where there is one."""
        return self.inner.as_config() if self.inner is not None else self.section


@dataclass
class UnionOf(Node):
    """A value that fits several members of a union; the first that can be built is used.

    Args:
        members: in written order.
        path: key path in the config.
        expected: the union, in words.
    """

    members: list[Node]
    path: str
    expected: str

    def build(self, extras: Extras) -> Any:
        """The first member that can be built."""
        last: Exception | None = None
        for member in self.members:
            try:
                return member.build(extras)
            # constructors raise these for unsuitable arguments; other errors are real and end the search
            except (ValueError, TypeError, ConfigurationError, AttributeError) as error:
                error.__cause__ = error.__cause__ or last
                last = error
        if len(self.members) == 1 and last is not None:
            raise last
        raise ConfigurationError(
            f"{self.path}: no member of {self.expected} can be built; the last one said: {last}"
        ) from last

    def needed_extras(self) -> set[str]:
        """Those of all members."""
        return set().union(*(member.needed_extras() for member in self.members))

    def as_config(self) -> Any:
        """The config of the first member."""
        return self.members[0].as_config()


@dataclass
class Special(Node):
    """A section with a special key, such as `_pretrained`."""

    get: Callable[[Any, Any, str], Any]
    value: dict[str, Any]
    key: str
    annotation: Any
    path: str

    def build(self, extras: Extras) -> Any:
        """The result of the handler of the key."""
        return self.get(copy.deepcopy(self.value[self.key]), self.annotation, self.path)

    def as_config(self) -> Any:
        """The section as it was given."""
        return self.value


def is_json(value: Any) -> bool:
    """Whether JSON can express a value (tuples count as lists)."""
    if isinstance(value, (list, tuple)):
        return all(is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_json(item) for key, item in value.items())
    if isinstance(value, float):
        return math.isfinite(value)  # JSON has no NaN and no infinities
    return value is None or (isinstance(value, (bool, int, str)) and not isinstance(value, enum.Enum))


def walk_calls(node: Node | None, path: str = "") -> Iterator[tuple[str, Call]]:
    """Every constructor call in a resolved tree, with its key path."""
    if isinstance(node, LazyCall):
        yield from walk_calls(node.inner, path)
    elif isinstance(node, Container):
        items = node.items.items() if isinstance(node.items, dict) else enumerate(node.items)
        for key, item in items:
            yield from walk_calls(item, f"{path}.{key}" if path else str(key))
    elif isinstance(node, Call):
        yield path, node
        for name, argument in node.arguments.items():
            yield from walk_calls(argument, f"{path}.{name}" if path else name)


def call_in(node: Node | None) -> Call | None:
    """The constructor call of a section, which may be that of a `Lazy`; None for anything else."""
    inner = node.inner if isinstance(node, LazyCall) else node
    return inner if isinstance(inner, Call) else None


def value_of(call: Node | None, name: str) -> Any:
    """The value of an argument as JSON, or its default; None where there is neither."""
    if not isinstance(call, Call):
        return None
    given = call.arguments.get(name)
    return call.defaults.get(name) if given is None else given.as_config()


def is_built_in(call: Call) -> bool:
    """Whether a constructor is part of nlpreg; what those of plugins do with their arguments is unknown."""
    return registry.is_built_in(call.cls)
