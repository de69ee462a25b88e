"""The name that was probably meant."""

from collections.abc import Iterable
from typing import Any

__all__ = ["did_you_mean", "nearest"]


def nearest(name: Any, known: Iterable[Any]) -> str | None:
    """The known name most like `name`, or None if none is; `_`, `-` and case count for nothing, initials for the whole."""
    if not isinstance(name, str):
        return None
    candidates = [item for item in known if isinstance(item, str)]
    plain = {candidate: _plain(candidate) for candidate in candidates}
    for candidate in candidates:
        if plain[candidate] == _plain(name) or candidate == _initials(name):
            return candidate
    import difflib  # only where something is wrong

    close = difflib.get_close_matches(_plain(name), plain.values(), n=1, cutoff=0.65)
    return next((candidate for candidate in candidates if plain[candidate] in close), None)


def did_you_mean(name: Any, known: Iterable[Any]) -> str:
    """`; did you mean "x"?`, or nothing where no known name is like `name`."""
    found = nearest(name, known)
    return f'; did you mean "{found}"?' if found is not None else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _initials(name: str) -> str | None:
    """`lr` for `learning_rate`; None for a single word."""
    words = _plain(name).split("_")
    return "".join(word[:1] for word in words) if len(words) > 1 else None
