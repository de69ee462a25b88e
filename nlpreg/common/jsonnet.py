"""Jsonnet to JSON: the only place that knows the binding."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from nlpreg.common.checks import ConfigurationError

__all__ = ["evaluate_jsonnet", "external_variables"]

ImportCallback = Callable[[str, str], "tuple[str, bytes]"]


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
