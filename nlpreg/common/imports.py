"""Imports of optional packages and of whole packages, and changes of the search path and the working folder."""

import importlib
import importlib.util
import logging
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from nlpreg.common.checks import ConfigurationError

logger = logging.getLogger(__name__)

_PACKAGE_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


def import_failure(error: BaseException) -> str:
    """Describe why an import failed, with the file and line that raised the error."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    own = [frame for frame in own if not frame.filename.startswith(_PACKAGE_FOLDER)] or own
    return f"{text} ({own[-1].filename}:{own[-1].lineno})" if own else text


@contextmanager
def pushd(new_dir: os.PathLike[str] | str, verbose: bool = False) -> Iterator[None]:
    """Context manager that changes the working folder."""
    previous = os.getcwd()
    if verbose:
        logger.info("working in %s", new_dir)
    os.chdir(new_dir)
    try:
        yield
    finally:
        if verbose:
            logger.info("back in %s", previous)
        os.chdir(previous)


@contextmanager
def push_python_path(path: os.PathLike[str] | str) -> Iterator[None]:
    """Context manager that puts `path` first in the module search path."""
    # resolved now: the block may change the current folder
    entry = str(Path(path).resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        # removed by value, because the block may have inserted other entries before it
        if entry in sys.path:
            sys.path.remove(entry)


def import_module_and_submodules(package_name: str, exclude: set[str] | None = None) -> None:
    """Import a package and all its modules, so that all of their classes are registered.

    Args:
        package_name: a package or a single module, found in the current folder first.
        exclude: full names of modules to leave out. Names that start with `_` or `test` are always left out.
    """
    if exclude and package_name in exclude:
        return
    importlib.invalidate_caches()
    with push_python_path("."):
        module = importlib.import_module(package_name)
        search_path = list(getattr(module, "__path__", []))
        for finder, name, _ in pkgutil.iter_modules(search_path):
            # a namespace package may span folders that are not this package's own
            is_own = str(getattr(finder, "path", "")) in search_path[:1]
            if is_own and not name.startswith(("_", "test")):
                import_module_and_submodules(f"{package_name}.{name}", exclude=exclude)


def optional(module: str, extra: str) -> ModuleType:
    """Import an optional module, or raise an error that names the extra to install.

    Args:
        module: full name of the module to import.
        extra: name of the extra in nlpreg's metadata.

    Raises:
        ImportError: the module is not installed; the message holds the pip command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise  # it is installed, but one of its own dependencies is missing
        raise ImportError(_not_installed(module.split(".")[0], extra)) from error


def check_package(module: str, extra: str) -> None:
    """Check that an optional package is installed, without importing it.

    Args:
        module: the name of the package.
        extra: the extra of nlpreg that installs it.

    Raises:
        ConfigurationError: it is not installed.
    """
    # a loaded module need not have a specification, without which `find_spec` would fail
    if sys.modules.get(module) is None and importlib.util.find_spec(module) is None:
        raise ConfigurationError(_not_installed(module, extra))


def _not_installed(package: str, extra: str) -> str:
    return f"the package {package!r} is needed here and not installed: pip install 'nlpreg[{extra}]'"
