"""Evaluation and formatting of Jsonnet, and the overrides of `--overrides`."""

import contextlib
import copy
import json
import math
import os
import re
import signal
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from nlpreg.common.checks import ConfigurationError

ImportCallback = Callable[[str, str], "tuple[str, bytes]"]

_BYTE_ORDER_MARK = "\ufeff"

MAX_SECONDS = 20
"""Limit of CPU time, in seconds, for the evaluation of a config."""

MAX_BYTES = 2**31
"""Limit of memory, in bytes, for the evaluation of a config."""

MAX_DEPTH = 100
_TOO_DEEP = f"nested too deeply: expected at most {MAX_DEPTH} levels of objects and arrays"

_BARE_KEY = re.compile(
    r"(?!(?:assert|else|error|false|for|function|if|import|importstr|importbin|in|local|null|tailstrict|then|self"
    r"|super|true)$)[A-Za-z_]\w*",
    re.ASCII,
)
"""A name that is not a keyword of Jsonnet."""


def external_variables(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that `std.extVar` can read: the environment variables in UTF-8, overridden by `extra`."""
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
    """Evaluate Jsonnet (a superset of JSON) to plain Python values.

    Args:
        name: path of the text, for error messages and as the base of relative imports.
        text: the Jsonnet source.
        ext_vars: values of `std.extVar`.
        import_callback: called with (folder of the importing file, imported path), returns (path found, content); the default
            reads files.

    Raises:
        RuntimeError: the text is not valid, or fails while it is evaluated; the message says where.
        ConfigurationError: the package jsonnet is missing and the text is not plain JSON.
    """
    text = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        return _strict_json(text)
    except (ValueError, RecursionError):
        pass  # either Jsonnet, or an error that Jsonnet reports better
    try:
        import _jsonnet
    except ModuleNotFoundError:
        return _plain_json(name, text)
    options = {"ext_vars": dict(ext_vars), "import_callback": import_callback or _imported_file}
    evaluated = _in_a_process(lambda: str(_jsonnet.evaluate_snippet(name, text, **options)))
    try:
        return json.loads(evaluated)
    except RecursionError as error:
        raise RuntimeError(f"RUNTIME ERROR: {_TOO_DEEP}") from error


def check_depth(value: Any) -> None:
    """Check that a config is not nested so deeply that recursion would exhaust Python's stack.

    Raises:
        ConfigurationError: it has more than `MAX_DEPTH` levels.
    """
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        items = (item.values() if isinstance(item, dict) else item for item in level)
        level = [inner for item in items for inner in item if isinstance(inner, (dict, list))]
    raise ConfigurationError(f"the config is {_TOO_DEEP}")


def _strict_json(text: str) -> Any:
    """Parse plain JSON to exactly the value that Jsonnet would return.

    Raises:
        ValueError: it is not plain JSON, or Jsonnet would reject it or evaluate it differently.
    """
    if "\\ud" in text.lower():  # Jsonnet rejects lone surrogates
        raise ValueError("surrogates")
    return json.loads(
        text,
        object_pairs_hook=_sorted_object,
        parse_constant=_refuse,
        parse_int=lambda digits: _number(float(digits)),
        parse_float=lambda digits: _number(float(digits)),
    )


def _sorted_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Sort the keys of an object and reject duplicate keys, as Jsonnet does."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a duplicate key")
    return {key: values[key] for key in sorted(values)}


def _number(value: float) -> int | float:
    """Jsonnet has floating-point numbers only, and writes integers without a fraction."""
    if not abs(value) < 2**53:
        raise ValueError("a large number")
    return int(value) if value == int(value) else value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _imported_file(folder: str, relative: str) -> tuple[str, bytes]:
    """Read an imported file, relative to the importing one, without its byte-order mark."""
    path = os.path.join(folder, relative)
    try:
        with open(path, encoding="utf-8-sig") as file:
            return path, file.read().encode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise RuntimeError(f"couldn't open import {relative!r}: {path}: {reason}") from error


def _in_a_process(evaluate: Callable[[], str]) -> str:
    """Evaluate in a forked process, because Jsonnet's evaluation can be neither interrupted nor limited otherwise.

    Args:
        evaluate: returns the result, or raises an exception that explains the failure.

    Raises:
        RuntimeError: the evaluation failed, or was ended because it took too long or too much memory.
    """
    if not hasattr(os, "fork"):
        return evaluate()
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # safe, because the child only runs Jsonnet, which takes none of the locks that other threads may hold
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _evaluate_and_exit(evaluate, reading, writing)
    os.close(writing)
    try:
        with open(reading, "rb") as pipe:
            reply = pipe.read()
    except BaseException:  # Ctrl-C
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) or not reply:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        reason = (
            f"took more than {MAX_SECONDS} seconds"
            if number in (signal.SIGXCPU, signal.SIGKILL)
            else f"needed more than {MAX_BYTES // 2**30} GiB of memory"
        )
        raise RuntimeError(
            f"RUNTIME ERROR: the evaluation {reason}; is there an endless recursion or a huge array?"
        )
    text = reply[1:].decode("utf-8", errors="surrogateescape")
    if reply[:1] == b"-":
        raise RuntimeError(text)
    return text


def _evaluate_and_exit(evaluate: Callable[[], str], reading: int, writing: int) -> None:
    """Body of the forked process: evaluate within limits, write the reply, and exit without Python's clean-up."""
    try:
        import resource

        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # C++ prints there that memory is exhausted
        used, _ = resource.getrusage(resource.RUSAGE_SELF)[:2]
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (int(used) + MAX_SECONDS, int(used) + MAX_SECONDS + 1))
        with contextlib.suppress(OSError, ValueError), open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + MAX_BYTES, size + MAX_BYTES))
        try:
            reply = b"+" + evaluate().encode("utf-8", errors="surrogateescape")
        except Exception as error:
            reply = b"-" + str(error).encode("utf-8", errors="surrogateescape")
        with open(writing, "wb") as pipe:
            pipe.write(reply)
    finally:
        os._exit(0)


def _plain_json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{name}: this is not plain JSON ({error}), and to read Jsonnet the package jsonnet is needed: "
            "pip install jsonnet"
        ) from error


def jsonnet_text(value: Any, indent: int = 0, width: float = 100) -> str:
    """Format a value as Jsonnet.

    Args:
        value: any JSON value.
        indent: indentation of the line on which the value starts.
        width: maximum length of a line.
    """
    if isinstance(value, str):
        return _string(value)
    if not isinstance(value, (dict, list)) or not value:
        return json.dumps(value)

    def members(indent: int, width: float) -> list[str]:
        if isinstance(value, list):
            return [jsonnet_text(item, indent, width) for item in value]
        return [f"{jsonnet_key(key)}: {jsonnet_text(item, indent, width)}" for key, item in value.items()]

    opening, closing = ("[", "]") if isinstance(value, list) else ("{ ", " }")
    one_line = opening + ", ".join(members(0, math.inf)) + closing
    if len(one_line) + indent <= width:
        return one_line
    lines = [f"{' ' * (indent + 2)}{member}," for member in members(indent + 2, width)]
    return "\n".join([opening.strip(), *lines, " " * indent + closing.strip()])


def jsonnet_key(key: str) -> str:
    """A key, without quotes where it needs none."""
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    """A string in single quotes, as `jsonnetfmt` writes it."""
    if "'" in text and '"' not in text:
        return json.dumps(text, ensure_ascii=False)
    escaped = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{escaped}'"


def parse_overrides(serialized_overrides: str, ext_vars: dict[str, Any] | None = None) -> dict[str, Any]:
    """Parse overrides, which are a Jsonnet object.

    Args:
        serialized_overrides: for example `{"model.dropout": 0.1}`; empty means none.
        ext_vars: values of `std.extVar` in addition to the environment.

    Raises:
        ConfigurationError: the string is not a Jsonnet object.
    """
    if not serialized_overrides.strip(_BYTE_ORDER_MARK + " \t\r\n"):
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

    A key is a path joined by dots, with numbers for list items; without a dot it replaces a whole value. The last step may add
    a key to an object that exists. A key of `original` that itself contains dots takes precedence.

    Args:
        original: dict or list.
        overrides_dict: path -> new value.
        prefix: path of `original` itself, for messages.

    Raises:
        ValueError: a path does not exist, or two overrides conflict.
    """
    applied: set[str] = set()
    result = _overridden(original, overrides_dict, prefix, applied)
    unused = [prefix + key for key in overrides_dict if prefix + key not in applied]
    if unused:
        paths = ", ".join(map(repr, unused))
        raise ValueError(
            f"overrides: {paths} leads to nothing in the config: every step but the last must exist there, list "
            "indices must be in range, and no override may lie inside another one"
        )
    return result


def _overridden(value: Any, overrides: Mapping[str, Any], prefix: str, applied: set[str]) -> Any:
    """The keys of `overrides` are relative to `value`; the whole paths of those that lead to something are added to `applied`."""
    if not isinstance(value, (dict, list)):
        raise ValueError(
            f"overrides: {prefix}{next(iter(overrides))!r} goes inside {prefix.rstrip('.')!r}, "
            f"which is {value!r}; expected a list or an object there"
        )
    present = dict(value) if isinstance(value, dict) else {str(i): item for i, item in enumerate(value)}
    replaced = {
        key: new
        for key, new in overrides.items()
        if key in present or (isinstance(value, dict) and "." not in key)
    }
    applied.update(prefix + key for key in replaced)
    result: dict[str, Any] = {}
    for key, item in present.items():
        inner = {path[len(key) + 1 :]: new for path, new in overrides.items() if path.startswith(key + ".")}
        if inner and key not in replaced:
            result[key] = _overridden(item, inner, f"{prefix}{key}.", applied)
        else:
            result[key] = copy.deepcopy(replaced.get(key, item))
    result.update((key, copy.deepcopy(new)) for key, new in replaced.items() if key not in present)
    return result if isinstance(value, dict) else list(result.values())
