"""Reading configs and JSON options of commands, with error messages for users."""

import os
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params


def read_config(file: str | os.PathLike[str], overrides: str | dict[str, Any] = "") -> Params:
    """Read a config and apply overrides to it.

    Args:
        file: path or URL of Jsonnet or JSON.
        overrides: a Jsonnet text, or dotted path -> value.

    Raises:
        ConfigurationError: the file is missing, is not valid Jsonnet or not an object, or the key of an override is wrong.
    """
    name = os.fspath(file)
    try:
        return Params.from_file(name, overrides)
    except ConfigurationError:
        raise
    except FileNotFoundError as error:
        raise ConfigurationError(f"{name}: there is no such config file") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}: a config must be UTF-8 text, and this is not ({error})") from error
    except RuntimeError as error:  # from the Jsonnet binding, whose message has file, line and column
        raise ConfigurationError(_jsonnet_message(name, str(error))) from error
    except ValueError as error:  # from an override whose key is wrong
        raise ConfigurationError(str(error)) from error


def parse_json_option(option: str, text: str) -> dict[str, Any]:
    """Parse the JSON object in an option; empty text is an empty object.

    Raises:
        ConfigurationError: the text is not a JSON object.
    """
    import json

    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{option}: {text!r} is not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{option}: expected a JSON object, got {text!r}")
    return value


def _jsonnet_message(name: str, text: str) -> str:
    """The message of the Jsonnet binding as a single paragraph, with advice on common mistakes."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    message = "; ".join(lines)
    for noise in ("RUNTIME ERROR: ", "STATIC ERROR: "):
        message = message.replace(noise, "")
    if "undefined external variable" in message.lower():
        message += ". The config asks for this environment variable by std.extVar: set it first, as in NAME=value nlpreg ..."
    return message if name in message else f"{name}: {message}"
