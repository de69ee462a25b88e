"""Untrusted configs of archives: what they may name, and what they may read.

The config of an archive is written by whoever made it, so it must not run code or read files of its choice. Its `Params` carry
an `Origin`, which all their sections and `Lazy` objects share. Objects are built from them under `guarded(origin)`, and
`Params` created meanwhile are untrusted too.
"""

import contextlib
import fnmatch
import importlib
import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.runtime.process import environment_variables

_ALLOW_REMOTE_VARIABLE = "NLPREG_ALLOW_REMOTE"
"""Set to 1 by `--allow-remote`; an environment variable, so that worker processes inherit it."""


@dataclass(frozen=True)
class Origin:
    """The archive that an untrusted config came from.

    Args:
        name: the archive, as the user named it.
        folder: the folder that the archive was unpacked to; files in it may be read.
        allowed: paths, URLs and patterns given by the user; these, and everything below them, may be read.
        allow_remote: whether the config may name URLs and paths outside the archive.
    """

    name: str
    folder: str
    allowed: frozenset[str] = frozenset()
    allow_remote: bool = False

    def allowing(self, values: Any) -> "Origin":
        """A copy of the origin that also allows the strings in `values`, at any depth."""
        return replace(self, allowed=self.allowed | frozenset(_strings(values)))


_origin: ContextVar[Origin | None] = ContextVar("origin of the untrusted config being built", default=None)


def current_origin() -> Origin | None:
    """The origin of the untrusted config that is currently being read or built, if any."""
    return _origin.get()


@contextlib.contextmanager
def guarded(origin: Origin | None) -> Iterator[None]:
    """Context manager that restricts the building of objects to what `origin` allows; None changes nothing."""
    if origin is None:
        yield
        return
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def remote_allowed(is_allowed: bool = True) -> contextlib.AbstractContextManager[None]:
    """Context manager in which archives, here or in worker processes, may name URLs and any local path."""
    return environment_variables({_ALLOW_REMOTE_VARIABLE: "1"} if is_allowed else {})


def is_remote_allowed() -> bool:
    """Whether archives may currently name URLs and any local path."""
    origin = _origin.get()
    return os.environ.get(_ALLOW_REMOTE_VARIABLE) == "1" or (origin is not None and origin.allow_remote)


def is_restricted() -> bool:
    """Whether the config being built came with an archive and may only access the contents of that archive."""
    return _origin.get() is not None and not is_remote_allowed()


def check_resource(path: str | os.PathLike[str]) -> None:
    """Check that the config being built may read a file, folder or URL.

    Raises:
        ConfigurationError: the config came with an archive, and this is neither in the archive nor named by the user.
    """
    origin = _origin.get()
    if origin is None or is_remote_allowed():
        return
    text = os.fspath(path)
    # URLs are compared as strings
    if text in origin.allowed:
        return
    if "://" not in text:
        # links are resolved, so that a link in the archive cannot lead to a file outside
        local = os.path.realpath(os.path.expanduser(text))
        if _is_below(local, origin.folder) or any(_covers(allowed, local) for allowed in origin.allowed):
            return
    raise refusal(text, "it is not in that archive")


def refusal(what: str, reason: str) -> ConfigurationError:
    """Make the error about something that the config being built may not access.

    Args:
        what: the path, URL or name in the config.
        reason: the reason, as a clause.
    """
    origin = _origin.get()
    archive = origin.name if origin is not None else ""
    return ConfigurationError(
        f"{what}: refused, because the config of the archive {archive} asks for it, and {reason}; "
        "if you trust the archive, add --allow-remote (in Python: load_archive(..., allow_remote=True))"
    )


def check_arguments(arguments: Any) -> None:
    """Check arguments that an untrusted config passes to another library, which may read or download what they name.

    Strings with a slash (paths, URLs, repositories) and names of existing files are checked; others are accepted.

    Raises:
        ConfigurationError: as `check_resource`.
    """
    if not is_restricted():
        return
    for text in _strings(arguments):
        if "/" in text or os.sep in text or os.path.exists(text):
            check_resource(text)


@contextlib.contextmanager
def hub_offline_unless_allowed(*modules: str) -> Iterator[None]:
    """Context manager that puts the libraries of the Hugging Face hub into offline mode if the config may not download
    anything.

    Files in their cache can still be used.

    Args:
        modules: the modules whose flag `HF_HUB_OFFLINE` the libraries check before each request.
    """
    if not is_restricted():
        yield
        return
    with contextlib.ExitStack() as stack:
        for name in modules:
            module = importlib.import_module(name)
            stack.callback(setattr, module, "HF_HUB_OFFLINE", getattr(module, "HF_HUB_OFFLINE", False))
            module.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]  # the module is only known by name
        yield


def _covers(allowed: str, local: str) -> bool:
    """Whether a path, pattern or archive given by the user is, or contains, this path."""
    if "://" in allowed:
        return False
    for candidate in (allowed, allowed.partition("!")[0]):
        path = os.path.realpath(os.path.expanduser(candidate)) if candidate else ""
        if path and (_is_below(local, path) or fnmatch.fnmatchcase(local, path)):
            return True
    return False


def _is_below(local: str, folder: str) -> bool:
    top = os.path.realpath(folder)
    return local == top or local.startswith(os.path.join(top, ""))


def _strings(values: Any) -> Iterator[str]:
    if isinstance(values, (str, os.PathLike)):
        text = os.fspath(values)
        if isinstance(text, str) and text:
            yield text
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _strings(value)
    elif isinstance(values, (list, tuple, set, frozenset)):
        for value in values:
            yield from _strings(value)
