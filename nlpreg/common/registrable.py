"""`Registrable`: base classes with a registry of subclasses, which configs select by name."""

import inspect
import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from nlpreg.common.config import registry
from nlpreg.common.config.hints import signature_of
from nlpreg.common.from_params import FromParams

logger = logging.getLogger(__name__)

T = TypeVar("T", bound="Registrable")
C = TypeVar("C")


class Registrable(FromParams):
    """A base class with a registry of named subclasses.

    `class Scorer(Registrable)` defines a registry; `@Scorer.register("sum")` adds a class (or a function) to it; a config
    selects it by `{"type": "sum", ...}`. Registries belong to the base on which `register` was called.
    """

    _registry: ClassVar[defaultdict[type, dict[str, tuple[Any, str | None]]]] = registry.REGISTRY
    default_implementation: str | None = None
    """The name that is used if a config has no `type`."""

    @classmethod
    def register(cls, name: str, constructor: str | None = None, exist_ok: bool = False) -> Callable[[C], C]:
        """Decorator that adds a class to the registry of this base.

        Args:
            name: the name that configs use.
            constructor: name of a classmethod that is called instead of `__init__`.
            exist_ok: whether to replace a class that is registered under the same name.

        Raises:
            ConfigurationError: the name is taken, and `exist_ok` is false.
        """

        def add(subclass: C) -> C:
            registry.add_to_registry(cls, name, subclass, constructor, exist_ok)
            return subclass

        return add

    @classmethod
    def by_name(cls: type[T], name: str) -> Callable[..., T]:
        """Return the class registered under a name, or the classmethod it was registered with.

        Raises:
            ConfigurationError: the name is unknown.
        """
        subclass, constructor = cls.resolve_class_name(name)
        return cast("Callable[..., T]", getattr(subclass, constructor) if constructor else subclass)

    @classmethod
    def resolve_class_name(cls: type[T], name: str) -> tuple[type[T], str | None]:
        """Return the class of a registered or fully qualified name, and the name of its constructor classmethod, if any.

        Raises:
            ConfigurationError: there is no such name, module or class.
        """
        return cast("tuple[type[T], str | None]", registry.find_registered(cls, name))

    @classmethod
    def list_available(cls) -> list[str]:
        """The registered names, the default first.

        Raises:
            ConfigurationError: the default is not registered.
        """
        return registry.names_of(cls, cls.default_implementation)

    def _to_params(self) -> dict[str, Any]:
        """Default implementation, a guess: the registered name, and every required argument that is found as an attribute."""
        logger.warning("%s does not define _to_params; its config is a guess", type(self).__name__)
        return self._as_section(lambda parameter: parameter.default is parameter.empty)

    def all_arguments(self) -> dict[str, Any]:
        """The registered name and every constructor argument that is found as an attribute of the same name.

        A base whose classes store all their arguments sets `_to_params = Registrable.all_arguments`. Arguments that nlpreg
        passes itself, such as `serialization_dir`, are omitted.

        Raises:
            KeyError: the class is not registered.
        """
        return self._as_section(lambda parameter: parameter.name not in ("serialization_dir", "vocab"))

    def _as_section(self, is_wanted: Callable[[inspect.Parameter], bool]) -> dict[str, Any]:
        """The section of the config with the requested arguments that are found as attributes."""
        cls: Any = type(self)
        names = registry.registered_names(cls)
        if not names:
            raise KeyError(f"{cls.__name__} is not registered")
        name, constructor = next(iter(names.items()))
        # the constructor registered for the name, which may be a classmethod
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
