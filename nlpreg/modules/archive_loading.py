"""Where `nlpreg.models` leaves its function that loads archives, since modules know nothing of models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["load_archive", "set_archive_loader"]

_loader: Callable[..., Any] | None = None


def set_archive_loader(loader: Callable[..., Any]) -> None:
    """Say how archives are loaded; `nlpreg.models.archival` does when it is imported.

    Args:
        loader: called with the path of an archive and `overrides`, as `nlpreg.models.load_archive` is.
    """
    global _loader
    _loader = loader


def load_archive(archive_file: str, overrides: dict[str, Any]) -> Any:
    """Load an archive, with some values of its config replaced.

    Args:
        archive_file: path or URL.
        overrides: dotted key path to value.

    Returns:
        An object with `model` and `config`.

    Raises:
        RuntimeError: nothing has imported `nlpreg.models` yet.
    """
    if _loader is None:
        raise RuntimeError(f"{archive_file}: loading an archive needs nlpreg.models; import it first")
    return _loader(archive_file, overrides=overrides)
