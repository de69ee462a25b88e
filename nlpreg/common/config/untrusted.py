"""Configs that came with an archive: what they may name, and what they may read.

Whoever makes an archive writes its config, so such a config must not run code or read files of its own choice. Its
`Params` carry an `Origin`, which every section and every `Lazy` cut from them shares; whatever is built from them is
built under `guarded(origin)`, and whatever `Params` come into being meanwhile are untrusted too.
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

_ALLOW_REMOTE_VARIABLE = "NLPREG_ALLOW_REMOTE"
"""Set to 1 by `--allow-remote`; an environment variable, so that worker processes have it too."""


@dataclass(frozen=True)
class Origin:
    """Where an untrusted config came from.

    Args:
        name: the archive, as the user named it.
        folder: the folder that the archive was unpacked to; files in it may be read.
        allowed: paths, URLs and patterns that the user gave, which may be read (and what lies below them).
        allow_remote: whether the user lets the config name URLs and paths outside the archive.
    """

    name: str
    folder: str
    allowed: frozenset[str] = frozenset()
    allow_remote: bool = False

    def allowing(self, values: Any) -> "Origin":
        """The same origin, where in addition the strings in `values`, at any depth, may be read."""
        return replace(self, allowed=self.allowed | frozenset(_strings(values)))


_origin: ContextVar[Origin | None] = ContextVar("origin of the untrusted config being built", default=None)


def current_origin() -> Origin | None:
    """The origin of the untrusted config that is being read or built now; None outside of such."""
    return _origin.get()


@contextlib.contextmanager
def guarded(origin: Origin | None) -> Iterator[None]:
    """Build within the block as the origin of a config allows; None leaves the rules as they are."""
    if origin is None:
        yield
        return
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


@contextlib.contextmanager
def remote_allowed(is_allowed: bool = True) -> Iterator[None]:
    """Let archives that are loaded within the block, here or in worker processes, name URLs and any local path."""
    before = os.environ.get(_ALLOW_REMOTE_VARIABLE)
    if is_allowed:
        os.environ[_ALLOW_REMOTE_VARIABLE] = "1"
    try:
        yield
    finally:
        if is_allowed and before is None:
            os.environ.pop(_ALLOW_REMOTE_VARIABLE, None)
        elif is_allowed and before is not None:
            os.environ[_ALLOW_REMOTE_VARIABLE] = before


def is_remote_allowed() -> bool:
    """Whether archives that are loaded now may name URLs and any local path."""
    origin = _origin.get()
    return os.environ.get(_ALLOW_REMOTE_VARIABLE) == "1" or (origin is not None and origin.allow_remote)


def is_restricted() -> bool:
    """Whether the config being built came with an archive, and may name nothing but what is in it."""
    return _origin.get() is not None and not is_remote_allowed()


def check_resource(path: str | os.PathLike[str]) -> None:
    """Make sure that the config being built may read a file, folder or URL.

    Raises:
        ConfigurationError: the config came with an archive, and this is neither in the archive nor named by the user.
    """
    origin = _origin.get()
    if origin is None or is_remote_allowed():
        return
    text = os.fspath(path)
    # URLs that the user gave are compared as they stand
    if text in origin.allowed:
        return
    if "://" not in text:
        # links are followed, so that a link inside the archive leads to no file outside
        local = os.path.realpath(os.path.expanduser(text))
        if _is_below(local, origin.folder) or any(_covers(allowed, local) for allowed in origin.allowed):
            return
    raise refusal(text, "it is not in that archive")


def refusal(what: str, reason: str) -> ConfigurationError:
    """The error about something that the config being built may not have.

    Args:
        what: the path, URL or name that the config asks for.
        reason: why it may not have it, as the second half of a sentence.
    """
    origin = _origin.get()
    archive = origin.name if origin is not None else ""
    return ConfigurationError(
        f"{what}: refused, because the config of the archive {archive} asks for it, and {reason}; "
        "if you trust the archive, add --allow-remote (in Python: load_archive(..., allow_remote=True))"
    )


def check_arguments(arguments: Any) -> None:
    """Check what an untrusted config hands on to another library, which may read or fetch what its arguments name.

    Paths, URLs and names of repositories have a slash, or exist; any other text passes.

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
    """Keep libraries of the Hugging Face hub off the network, where the config being built may fetch nothing.

    What they have in their own cache serves nevertheless.

    Args:
        modules: the modules whose flag `HF_HUB_OFFLINE` the libraries look at before each request.
    """
    if not is_restricted():
        yield
        return
    with contextlib.ExitStack() as stack:
        for name in modules:
            module = importlib.import_module(name)
            stack.callback(setattr, module, "HF_HUB_OFFLINE", getattr(module, "HF_HUB_OFFLINE", False))
            module.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
        yield


def _covers(allowed: str, local: str) -> bool:
    """Whether something that the user named is this path, a folder above it, or a pattern or archive that holds it."""
    if "://" in allowed:
        return False
    candidates = [allowed, allowed.partition("!")[0]]
    for candidate in candidates:
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
