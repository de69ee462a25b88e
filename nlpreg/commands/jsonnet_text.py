"""Plain values as Jsonnet, in the style of the configs that come with nlpreg."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["jsonnet_key", "jsonnet_text"]

_BARE_KEY = re.compile(
    r"(?!(?:assert|else|error|false|for|function|if|import|importstr|importbin|in|local|null|tailstrict|then|self"
    r"|super|true)$)[A-Za-z_]\w*",
    re.ASCII,
)
"""A name that is no keyword of Jsonnet."""


def jsonnet_text(value: Any, indent: int = 0, width: int = 100) -> str:
    """A value as Jsonnet.

    Args:
        value: anything that JSON can express.
        indent: number of spaces before the line on which the value begins.
        width: length of a line that is not broken up.
    """
    if isinstance(value, str):
        return _string(value)
    if not isinstance(value, (dict, list)):
        return json.dumps(value)
    flat = _flat(value)
    if len(flat) + indent <= width or not value:
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        lines = [
            f"{inner}{jsonnet_key(key)}: {jsonnet_text(item, indent + 2, width)},"
            for key, item in value.items()
        ]
        return "\n".join(["{", *lines, " " * indent + "}"])
    lines = [f"{inner}{jsonnet_text(item, indent + 2, width)}," for item in value]
    return "\n".join(["[", *lines, " " * indent + "]"])


def jsonnet_key(key: str) -> str:
    """A key, without quotes where it needs none."""
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{jsonnet_key(key)}: {_flat(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(_flat(item) for item in value) + "]"
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _string(text: str) -> str:
    """In single quotes, as Jsonnet's own formatter writes it."""
    if "'" in text and '"' not in text:
        return json.dumps(text, ensure_ascii=False)
    escaped = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{escaped}'"
