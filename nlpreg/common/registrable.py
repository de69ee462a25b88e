"""`Registrable`: a family of classes, each chosen in a config by its registered name."""

import inspect
import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.registry import (
    REGISTRY,
    add_to_registry,
    find_registered,
    names_of,
    registered_names,
)
from nlpreg.common.from_params import FromParams

logger = logging.getLogger(__name__)

T = TypeVar("T", bound="Registrable")
C = TypeVar("C")


class Registrable(FromParams):
    """A base class with a registry of named subclasses.

    `class Scorer(Registrable)` starts a family; `@Scorer.register("sum")` adds a class (or a function) to it; a
    config chooses it by `{"type": "sum", ...}`. Registries belong to the base on which `register` was called.
    """

    _registry: ClassVar[defaultdict[type, dict[str, tuple[Any, str | None]]]] = REGISTRY
    default_implementation: str | None = None
    """The name used where a config gives no `type`."""

    @classmethod
    def register(cls, name: str, constructor: str | None = None, exist_ok: bool = False) -> Callable[[C], C]:
        """A decorator that enters a class in this base's registry.

        Args:
            name: the name that configs use.
            constructor: name of a classmethod to build it with, instead of its `__init__`.
            exist_ok: whether to replace a class registered under the same name.

        Raises:
            ConfigurationError: the name is taken, and `exist_ok` is false.
        """

        def add(subclass: C) -> C:
            add_to_registry(cls, name, subclass, constructor, exist_ok)
            return subclass

        return add

    @classmethod
    def by_name(cls: type[T], name: str) -> Callable[..., T]:
        """What builds the class of that name: the class itself, or the constructor it was registered with.

        Raises:
            ConfigurationError: there is no such name.
        """
        subclass, constructor = cls.resolve_class_name(name)
        return cast("Callable[..., T]", getattr(subclass, constructor) if constructor else subclass)

    @classmethod
    def resolve_class_name(cls: type[T], name: str) -> tuple[type[T], str | None]:
        """The class of a registered or fully qualified name, and the name of its constructor, if it has one.

        Raises:
            ConfigurationError: there is no such name, module or class.
        """
        return cast("tuple[type[T], str | None]", find_registered(cls, name))

    @classmethod
    def list_available(cls) -> list[str]:
        """The registered names, the default first.

        Raises:
            ConfigurationError: the default is not registered.
        """
        return names_of(cls, cls.default_implementation)

    def _to_params(self) -> dict[str, Any]:
        """A guess for classes that do not say better: the name, and every required argument found as an attribute."""
        logger.warning("%s does not define _to_params; its config is a guess", type(self).__name__)
        return self._as_section(lambda parameter: parameter.default is parameter.empty)

    def all_arguments(self) -> dict[str, Any]:
        """The registered name, and every argument of the constructor found as the attribute of its name.

        A family whose classes keep what they were given sets `_to_params = Registrable.all_arguments`. Arguments that
        nlpreg passes itself, such as `serialization_dir`, are left out.

        Raises:
            KeyError: the class is not registered.
        """
        return self._as_section(lambda parameter: parameter.name not in ("serialization_dir", "vocab"))

    def _as_section(self, is_wanted: Callable[[inspect.Parameter], bool]) -> dict[str, Any]:
        """The section of the config with those arguments that are wanted and found."""
        cls: Any = type(self)
        names = registered_names(cls)
        if not names:
            raise KeyError(f"{cls.__name__} is not registered")
        name, constructor = next(iter(names.items()))
        # by the constructor that the name stands for, which need not be `__init__`
        section: dict[str, Any] = {"type": name}
        for parameter in signature_of(
            cls, getattr(cls, constructor) if constructor else None
        ).parameters.values():
            if not is_wanted(parameter):
                continue
            for attribute in (parameter.name, f"_{parameter.name}"):
                if hasattr(self, attribute):
                    section[parameter.name] = getattr(self, attribute)
                    break
            else:
                if parameter.default is parameter.empty:
                    logger.warning("%s: no attribute holds the argument %r", cls.__name__, parameter.name)
        return section
