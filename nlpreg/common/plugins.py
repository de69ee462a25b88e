"""Plugins: third-party packages that register classes.

They are declared by entry points of the group `nlpreg.plugins`, by the files `.nlpreg_plugins` (working folder) and
`~/.nlpreg/plugins` with one module name per line, or by `--include-package`.
"""

import importlib
import importlib.metadata
import logging
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.imports import import_failure, import_module_and_submodules, push_python_path

logger = logging.getLogger(__name__)

ENTRY_POINT_GROUP = "nlpreg.plugins"
LOCAL_PLUGINS_FILENAME = ".nlpreg_plugins"
GLOBAL_PLUGINS_FILENAME = os.path.join(os.path.expanduser("~"), ".nlpreg", "plugins")
DEFAULT_PLUGINS: tuple[str, ...] = ()
"""Packages that are imported without a declaration; none, because AllenNLP's companion package is built in."""

_BUILTIN_PARTS = (
    "data",
    "modules",
    "training",
    "models",
    "predictors",
    "evaluation",
    "commands.train.experiment",
)


@dataclass
class Plugin:
    """A plugin that was found.

    Args:
        module: name of the module.
        source: where it was declared.
        error: why the import failed; None if it succeeded.
        registered: (name of the base, registered name) of each class that it registered.
    """

    module: str
    source: str
    error: str | None = None
    registered: list[tuple[str, str]] = field(default_factory=list)


def import_builtin_parts() -> None:
    """Import all built-in classes into the registries."""
    for part in _BUILTIN_PARTS:
        importlib.import_module(f"nlpreg.{part}")


def discover_file_plugins(plugins_filename: str = LOCAL_PLUGINS_FILENAME) -> Iterable[str]:
    """Iterate over the module names in a plugins file, one per line; nothing if the file does not exist."""
    try:
        text = Path(plugins_filename).read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError) as error:
        logger.warning("%s: left out, since it cannot be read (%s)", plugins_filename, error)
        return
    for line in text.splitlines():
        if line.strip():
            yield line.strip()


def discover_plugins() -> Iterable[str]:
    """Iterate over the module names of all plugins, without duplicates: entry points, then the local file, then the global one.

    While those of the local file are yielded, the working folder is first on `sys.path`.
    """
    for plugin in _discovered():
        yield plugin.module


def _discovered() -> Iterator[Plugin]:
    seen: set[str] = set()
    for plugin in _declared():
        if plugin.module not in seen:
            seen.add(plugin.module)
            yield plugin


def _declared() -> Iterator[Plugin]:
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        package = entry_point.dist.name if entry_point.dist else "?"
        yield Plugin(entry_point.module, f"entry point {entry_point.name!r} of the package {package}")
    with push_python_path("."):
        for name in discover_file_plugins(LOCAL_PLUGINS_FILENAME):
            yield Plugin(name, os.path.abspath(LOCAL_PLUGINS_FILENAME))
    for name in discover_file_plugins(GLOBAL_PLUGINS_FILENAME):
        yield Plugin(name, GLOBAL_PLUGINS_FILENAME)


def load_plugins() -> list[Plugin]:
    """Import every plugin; a failure is reported and does not affect the others.

    Returns:
        All plugins, each with the classes that it registered or the reason why it failed.
    """
    # spawned worker processes must be able to import modules in the working folder
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    plugins = []
    # a generator: the working folder stays on `sys.path` while the plugins of its file are imported
    for plugin in _discovered():
        before = {(base, name) for base, names in REGISTRY.items() for name in names}
        try:
            importlib.import_module(plugin.module)
        except Exception as error:  # third-party code may raise anything; it must not stop nlpreg
            plugin.error = _reason(plugin.module, error)
            logger.error("the plugin %s (%s) was left out: %s", plugin.module, plugin.source, plugin.error)
            logger.debug("%s", traceback.format_exc())
        # a list, because asking a base for its names may add it to the registry
        after = ((base, name) for base, names in list(REGISTRY.items()) for name in names)
        plugin.registered = [(base.__name__, name) for base, name in after if (base, name) not in before]
        # imported by another plugin, or by the user's own code, before its turn
        if not plugin.registered and plugin.error is None:
            plugin.registered = _registered_by(plugin.module)
        plugins.append(plugin)
    return plugins


def import_packages(names: Iterable[str]) -> None:
    """Import the packages of the option `--include-package`, with all of their modules.

    Raises:
        ConfigurationError: one cannot be imported.
    """
    for name in names:
        try:
            import_module_and_submodules(name)
        except Exception as error:  # the package's own code may raise anything
            raise ConfigurationError(f"--include-package {name}: {_reason(name, error)}") from error


def _reason(name: str, error: Exception) -> str:
    """Why a module could not be imported."""
    if "/" in name or name.endswith(".py") or name.startswith("."):
        return "expected the name of a module, such as my_project.parts, found a path"
    if isinstance(error, ModuleNotFoundError) and error.name == name.split(".")[0]:
        return "there is no such module, neither in the working folder nor among what is installed"
    return import_failure(error)


def import_plugins() -> None:
    """Fill the registries with built-in classes, then with those of plugins."""
    import_builtin_parts()
    load_plugins()


def _registered_by(module: str) -> list[tuple[str, str]]:
    """The classes registered by a package that was imported earlier."""
    return [
        (base.__name__, name)
        for base, names in REGISTRY.items()
        for name, (cls, _) in names.items()
        if (getattr(cls, "__module__", "") + ".").startswith(module + ".")
    ]
