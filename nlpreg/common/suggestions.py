"""The name that was probably meant."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any

__all__ = ["did_you_mean", "names_like", "nearest"]


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


def names_like(pattern: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The dotted names that a regular expression, which matches none of them, may have been meant for.

    Args:
        pattern: the regular expression.
        names: names of parameters, such as `encoder.weight`.
        count: how many to return at most.
    """
    wanted = re.sub(r"[^\w.]", "", pattern.replace("\\", "")).strip(".")

    def likeness(name: str) -> float:
        # a pattern usually names the first modules of the path only, or the last ones
        parts, length = name.split("."), wanted.count(".") + 1
        candidates = {name, ".".join(parts[:length]), ".".join(parts[-length:])}
        return max(SequenceMatcher(None, wanted, candidate).ratio() for candidate in candidates)

    return sorted(names, key=likeness, reverse=True)[:count]


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _initials(name: str) -> str | None:
    """`lr` for `learning_rate`; None for a single word."""
    words = _plain(name).split("_")
    return "".join(word[:1] for word in words) if len(words) > 1 else None
