"""Changes to a config from the command line: `-o '{"trainer.num_epochs": 3}'`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.jsonnet import evaluate_jsonnet, external_variables

__all__ = ["parse_overrides", "with_overrides"]


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
