"""Tables of names and classes; the standard library is all it needs."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.suggestions import did_you_mean

__all__ = [
    "REGISTRY",
    "add_to_registry",
    "comes_from_strangers",
    "config_from_strangers",
    "find_registered",
    "names_of",
]

logger = logging.getLogger(__name__)

REGISTRY: defaultdict[type, dict[str, tuple[Any, str | None]]] = defaultdict(dict)
"""For each base on which `register` was called: name -> (class or function, name of a constructor or None)."""

_is_from_strangers: ContextVar[bool] = ContextVar("is_from_strangers", default=False)


@contextlib.contextmanager
def config_from_strangers() -> Iterator[None]:
    """Within the block a full name in a config may only be that of a class made for configs, one with `from_params`.

    Any other name, such as `os.system`, would let whoever wrote the config call any function there is.
    """
    token = _is_from_strangers.set(True)
    try:
        yield
    finally:
        _is_from_strangers.reset(token)


def comes_from_strangers() -> bool:
    """Whether the config that is being read came with an archive."""
    return _is_from_strangers.get()


def add_to_registry(base: type, name: str, cls: Any, constructor: str | None, exist_ok: bool) -> None:
    """Enter a class under a name.

    Raises:
        ConfigurationError: the name is taken and `exist_ok` is false.
    """
    names = REGISTRY[base]
    if name in names:
        present = names[name][0]
        if not exist_ok:
            raise ConfigurationError(
                f"cannot register {_full_name(cls)} as {base.__name__} {name!r}: the name is taken by "
                f"{_full_name(present)}; choose another name, or pass exist_ok=True to replace it"
            )
        logger.info("%s replaces %s as %s %r", _full_name(cls), _full_name(present), base.__name__, name)
    names[name] = (cls, constructor)


def names_of(base: type, default: str | None) -> list[str]:
    """Registered names in order of registration, the default first.

    Raises:
        ConfigurationError: the default is not registered.
    """
    names = list(REGISTRY[base])
    if default is None:
        return names
    if default not in names:
        raise ConfigurationError(
            f"{base.__name__}: the default implementation {default!r} is not registered (registered: {names})"
        )
    return [default, *(name for name in names if name != default)]


def find_registered(base: type, name: str) -> tuple[Any, str | None]:
    """The class and the constructor name behind a registered or fully qualified name.

    `-` and `_` count as the same where that is not ambiguous.

    Raises:
        ConfigurationError: there is no such name, module or class.
    """
    names = REGISTRY[base]
    if name in names:
        return names[name]
    if "." in name:
        return _imported(base, name), None
    alike = [known for known in names if known.replace("-", "_") == name.replace("-", "_")]
    if len(alike) == 1:
        return names[alike[0]]
    others = sorted(other.__name__ for other, known in REGISTRY.items() if name in known)
    elsewhere = f": it is a {' and a '.join(others)}" if others else ""
    suggestion = "" if others else did_you_mean(name, names)
    raise ConfigurationError(
        f'"{name}" is no registered {base.__name__}{elsewhere}'
        + (suggestion or f" (known: {', '.join(sorted(names)) or 'none'}).")
        + " For a class of your own, name its module with --include-package or in the file .nlpreg_plugins, "
        "or write its full name, such as my_package.my_module.MyClass"
    )


def _imported(base: type, name: str) -> Any:
    module_name, attribute = name.rsplit(".", 1)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise ConfigurationError(
            f'"{name}" is no registered {base.__name__}, and there is no module {error.name!r} to import; '
            "check the spelling, and that it can be imported from here"
        ) from error
    if not hasattr(module, attribute):
        raise ConfigurationError(
            f"{module_name!r} was imported for {name!r}, but has no {attribute!r}"
            + did_you_mean(attribute, vars(module))
        )
    found = getattr(module, attribute)
    if _is_from_strangers.get() and not (isinstance(found, type) and hasattr(found, "from_params")):
        raise ConfigurationError(
            f"{name!r} is refused, because this config comes with an archive and that is no class made for configs; "
            f"expected a {base.__name__}"
        )
    return found


def _full_name(cls: Any) -> str:
    return f"{getattr(cls, '__module__', '?')}.{getattr(cls, '__qualname__', cls)}"
