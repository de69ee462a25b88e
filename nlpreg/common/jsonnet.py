"""Jsonnet to JSON, the only place that knows the binding; and plain values as Jsonnet, in the style of our configs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from nlpreg.common.checks import ConfigurationError

ImportCallback = Callable[[str, str], "tuple[str, bytes]"]

_BARE_KEY = re.compile(
    r"(?!(?:assert|else|error|false|for|function|if|import|importstr|importbin|in|local|null|tailstrict|then|self"
    r"|super|true)$)[A-Za-z_]\w*",
    re.ASCII,
)
"""A name that is no keyword of Jsonnet."""


def external_variables(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What `std.extVar` can read: the environment, as far as it is UTF-8, overridden by `extra`."""
    variables = {}
    for name, value in os.environ.items():
        try:
            name.encode("utf-8")
            value.encode("utf-8")
        except UnicodeEncodeError:
            continue
        variables[name] = value
    return {**variables, **(extra or {})}


def evaluate_jsonnet(
    name: str, text: str, ext_vars: Mapping[str, str], import_callback: ImportCallback | None = None
) -> Any:
    """Evaluate Jsonnet (of which JSON is a part) to plain Python values.

    Args:
        name: path of the text, for error messages and as the base of relative imports.
        text: the Jsonnet source.
        ext_vars: values of `std.extVar`.
        import_callback: gets (folder of the importing file, imported path), gives (path found, content);
            the default reads files.

    Raises:
        RuntimeError: the text is not valid, or fails while it is evaluated; the message says where.
        ConfigurationError: the package jsonnet is missing and the text is not plain JSON.
    """
    try:
        import _jsonnet
    except ModuleNotFoundError:
        return _plain_json(name, text)
    options: dict[str, Any] = {"ext_vars": dict(ext_vars)}
    if import_callback is not None:
        options["import_callback"] = import_callback
    return json.loads(_jsonnet.evaluate_snippet(name, text, **options))


def _plain_json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{name}: this is not plain JSON ({error}), and to read Jsonnet the package jsonnet is needed: "
            "pip install jsonnet"
        ) from error


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
