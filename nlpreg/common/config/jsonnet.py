"""Jsonnet and JSON texts as Python values, values as Jsonnet, and the changes that `--overrides` makes to them."""

from __future__ import annotations

import copy
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


def parse_overrides(serialized_overrides: str, ext_vars: dict[str, Any] | None = None) -> dict[str, Any]:
    """Read overrides, themselves a Jsonnet object.

    Args:
        serialized_overrides: for example `{"model.dropout": 0.1}`; empty means none.
        ext_vars: values of `std.extVar` beside the environment's.

    Raises:
        ConfigurationError: the text is no Jsonnet object.
    """
    if not serialized_overrides.strip():
        return {}
    try:
        overrides = evaluate_jsonnet("overrides", serialized_overrides, external_variables(ext_vars))
    except RuntimeError as error:
        raise ConfigurationError(
            f"overrides: {serialized_overrides!r} is not valid Jsonnet: {str(error).strip()}; "
            """expected an object such as '{"trainer.num_epochs": 3}'"""
        ) from error
    if not isinstance(overrides, dict):
        raise ConfigurationError(
            f"""overrides: expected an object such as '{{"trainer.num_epochs": 3}}', got {overrides!r}"""
        )
    return overrides


def with_overrides(original: Any, overrides_dict: Mapping[str, Any], prefix: str = "") -> Any:
    """A deep copy of `original` with values replaced or added.

    A key is a path joined by dots, with numbers for list items; without a dot it replaces a whole value. The last
    step may add a key to an object that exists. A key of `original` that itself holds dots is found first.

    Args:
        original: dict or list.
        overrides_dict: path -> new value.
        prefix: path of `original` itself, for messages.

    Raises:
        ValueError: a path leads nowhere, or two overrides contradict each other.
    """
    unused = dict(overrides_dict)
    result = _overridden(original, dict(overrides_dict), prefix, unused)
    if unused:
        paths = ", ".join(repr(prefix + key) for key in unused)
        raise ValueError(
            f"overrides: {paths} leads to nothing in the config: every step but the last must exist there, list "
            "indices must be in range, and no override may lie inside another one"
        )
    return result


def _overridden(value: Any, overrides: dict[str, Any], prefix: str, unused: dict[str, Any]) -> Any:
    """`overrides` are relative to `value`; whatever is applied is taken out of `unused` (same, relative, keys)."""
    if not isinstance(value, (dict, list)):
        raise ValueError(
            f"overrides: {prefix}{next(iter(overrides))!r} goes inside {prefix.rstrip('.')!r}, "
            f"which is {value!r}; expected a list or an object there"
        )
    present = dict(value) if isinstance(value, dict) else {str(i): item for i, item in enumerate(value)}
    result: dict[str, Any] = {}
    taken = set()
    for key, item in present.items():
        if key in overrides:
            result[key] = copy.deepcopy(overrides[key])
            taken.add(key)
            continue
        inner = {path[len(key) + 1 :]: new for path, new in overrides.items() if path.startswith(key + ".")}
        if not inner:
            result[key] = copy.deepcopy(item)
            continue
        inner_unused = dict(inner)
        result[key] = _overridden(item, inner, f"{prefix}{key}.", inner_unused)
        taken.update(f"{key}.{path}" for path in inner if path not in inner_unused)
    if isinstance(value, dict):
        for key, new in overrides.items():
            if "." not in key and key not in present:
                result[key] = copy.deepcopy(new)
                taken.add(key)
    for key in taken:
        unused.pop(key, None)
    return result if isinstance(value, dict) else list(result.values())
