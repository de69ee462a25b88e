"""Options that several commands share, reading their values, and checks of paths that need no slow imports."""

import argparse
import contextlib
import inspect
import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any

from nlpreg.commands.shipped import config_path, shipped_configs
from nlpreg.common.checks import ConfigurationError, did_you_mean
from nlpreg.common.params import Params
from nlpreg.common.runtime.process import environment_variables


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument CONFIG."""
    parser.add_argument(
        "param_path",
        metavar="CONFIG",
        type=config_path,
        help="the config, Jsonnet or JSON: a path or URL, or the name of one that `nlpreg configs` lists",
    )
    add_allow_remote_option(parser)


def add_serialization_dir_option(parser: argparse.ArgumentParser, help: str) -> None:
    """Add the required option `-s/--serialization-dir`."""
    parser.add_argument("-s", "--serialization-dir", required=True, metavar="DIR", help=help)


def add_cuda_device_option(parser: argparse.ArgumentParser) -> None:
    """Add `--cuda-device`."""
    parser.add_argument(
        "--cuda-device", type=int, default=-1, metavar="N", help="number of a GPU, -1 for the CPU"
    )


def add_archive_options(parser: argparse.ArgumentParser) -> None:
    """Add the argument ARCHIVE and the options for loading it."""
    parser.add_argument(
        "archive_file", metavar="ARCHIVE", help="a model.tar.gz (path or URL), or the folder of a run"
    )
    parser.add_argument(
        "--weights-file", metavar="FILE", help="weights to use instead of those in the archive"
    )
    add_cuda_device_option(parser)
    add_allow_remote_option(parser)


def add_allow_remote_option(parser: argparse.ArgumentParser) -> None:
    """Add `--allow-remote`."""
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="allow the config of an archive to refer to URLs and to files outside of the archive, such as the archive that it "
        "was fine-tuned from or pretrained vectors; only for archives from a source that you trust",
    )


def add_overrides_option(parser: argparse.ArgumentParser) -> None:
    """Add `-o/--overrides`."""
    parser.add_argument(
        "-o",
        "--overrides",
        default="",
        action=_Overrides,
        metavar="CHANGE",
        help="""changes to the config, as KEY=VALUE, such as trainer.num_epochs=3, or as JSON, such as """
        """'{"trainer.num_epochs": 3}'; a dotted key changes one value, a key without dots replaces a whole section; """
        "may be repeated",
    )


class _Overrides(argparse.Action):
    """Joins several overrides, each `KEY=VALUE` or a Jsonnet object, into one Jsonnet expression."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        earlier = getattr(namespace, self.dest, "")
        text = _override_text(values)
        setattr(namespace, self.dest, f"({earlier}) + ({text})" if earlier.strip() else text)


def _override_text(change: str) -> str:
    """An override as a Jsonnet object.

    Args:
        change: `KEY=VALUE`, where a value that is not JSON is a string; or a Jsonnet object, which is returned unchanged.
    """
    key, equals, value = change.partition("=")
    if not equals or not re.fullmatch(r"[\w.\-]+", key.strip()) or value.startswith("="):
        return change
    return json.dumps({key.strip(): json_or_text(value)})


def json_or_text(text: str) -> Any:
    """The value of a text that is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def name_or_json(option: str, text: str) -> str | dict[str, Any]:
    """What an option with a part of a config holds: a registered name, or a JSON object with the name and arguments."""
    return parse_json_option(option, text) if text.lstrip().startswith("{") else text


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument OUTPUT, an archive, and `-f/--force`."""
    parser.add_argument("output_path", metavar="OUTPUT", help="the archive to write, ending in .tar.gz")
    parser.add_argument("-f", "--force", action="store_true", help="replace OUTPUT if it exists")


def add_file_friendly_option(parser: argparse.ArgumentParser) -> None:
    """Add `--file-friendly-logging`."""
    parser.add_argument(
        "--file-friendly-logging",
        action="store_true",
        help="write progress as complete lines at long intervals, for output to a file",
    )


def add_callback_option(parser: argparse.ArgumentParser) -> None:
    """Add `--callback`, which adds to the callbacks of the trainer."""
    parser.add_argument(
        "--callback",
        action="append",
        default=[],
        metavar="CALLBACK",
        help="add a callback to the trainer, by its name or as JSON, such as wandb; not kept in the config of the run",
    )


def add_no_cache_option(parser: argparse.ArgumentParser) -> None:
    """Add `--no-cache`, which `environment_of` applies."""
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="neither use nor write cached data",
    )


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


def arguments_for(function: Callable[..., Any], args: argparse.Namespace) -> dict[str, Any]:
    """The parsed arguments that a function takes, by the names of its parameters."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in vars(args).items() if name in names}


def write_output(path: str | None, text: str, note: str) -> None:
    """Write a text to a file and print a note about it, or print the text if there is no path."""
    from nlpreg.common.files import atomic_write

    if path is None:
        sys.stdout.write(text)
        return
    with atomic_write(path, "w") as file:
        file.write(text)
    print(f"{path}: {note}")


def check_file(path: str, what: str) -> None:
    """Check that a local path is an existing file.

    Args:
        path: path or URL; URLs, and paths into archives (`a.zip!b`), are not checked.
        what: name of the argument, for the message.

    Raises:
        ConfigurationError: there is no such file.
    """
    if _is_remote(path):
        return
    local = os.path.expanduser(path)
    if not os.path.exists(local):
        shipped = list(shipped_configs()) if what == "CONFIG" and path.isidentifier() else []
        advice = (
            f"{did_you_mean(path, shipped)}; `nlpreg configs` lists the names of shipped ones"
            if shipped
            else ""
        )
        raise ConfigurationError(f"{what}: {path}: there is no such file (looked in {os.getcwd()}){advice}")
    if os.path.isdir(local):
        raise ConfigurationError(f"{what}: {path}: this is a folder, expected a file")


def check_archive(path: str, weights_file: str | None = None) -> None:
    """Check that a local path is an archive or the folder of a run.

    Raises:
        ConfigurationError: it does not exist, or is a folder without a run.
    """
    local = os.path.expanduser(path)
    if os.path.isdir(local):
        if not os.path.isfile(os.path.join(local, "config.json")):
            raise ConfigurationError(f"ARCHIVE: {path}: this folder is not a run: it has no config.json")
    else:
        check_file(path, "ARCHIVE")
    if weights_file is not None:
        check_file(weights_file, "--weights-file")


def check_output_file(path: str | None, *inputs: str | None) -> None:
    """Check that a command may write an output file.

    Args:
        path: the file; None if none was requested.
        inputs: inputs of the command, any of which may be None; URLs and folders are not checked.

    Raises:
        ConfigurationError: its folder does not exist, it is a folder itself, or writing it would overwrite an input, an
            archive, weights, or another file of a run.
    """
    if not path:
        return
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise ConfigurationError(
            f"{path}: cannot be written, because there is no folder {folder}; create it first"
        )
    if os.path.isdir(path):
        raise ConfigurationError(
            f"{path}: cannot be written, because this is a folder; give the name of a file"
        )
    if not os.path.exists(path):
        return
    for name in inputs:
        if name and os.path.exists(name) and os.path.samefile(path, name):
            raise ConfigurationError(
                f"{path}: cannot be written, because the command reads it; give the output another name"
            )
    if path.endswith((".tar.gz", ".th")) or _is_of_a_run(path):
        raise ConfigurationError(
            f"{path}: cannot be written, because it is a file of a run; give the output another name"
        )


def _is_of_a_run(path: str) -> bool:
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isfile(os.path.join(folder, "config.json")):
        return False
    # imported here because it takes a second, and few outputs are in such a folder
    from nlpreg.training.serialization_dir import is_written_by_a_run

    return is_written_by_a_run(name)


class _WrongOutputName(ConfigurationError, ValueError):
    """The name of the output does not end in .tar.gz; also a `ValueError`, as in AllenNLP."""


class _OutputExists(ConfigurationError, RuntimeError):
    """The output exists; also a `RuntimeError`, as in AllenNLP."""


def check_output(args: argparse.Namespace) -> None:
    """Check that the arguments of `add_output_arguments` name an archive that can be written.

    Raises:
        ConfigurationError: the name does not end in .tar.gz (also a `ValueError`), its folder does not exist, or the file
            exists and `--force` is not given (also a `RuntimeError`).
    """
    path: str = args.output_path
    if not path.endswith(".tar.gz"):
        raise _WrongOutputName(f"OUTPUT: expected a name ending in .tar.gz, got {path!r}")
    if not os.path.exists(path):
        check_output_file(path)
    elif not args.force:
        raise _OutputExists(f"OUTPUT: {path}: exists; use --force to replace it, or give another name")


def _is_remote(path: str) -> bool:
    return "://" in path or "!" in path


_VARIABLES = {"debug": "NLPREG_DEBUG", "no_cache": "NLPREG_NO_CACHE"}
"""The environment variable of each option."""


def environment_of(args: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """Context manager that sets the environment variables of the given options.

    Args:
        args: options, any of which may be missing.
    """
    given = [variable for option, variable in _VARIABLES.items() if getattr(args, option, False)]
    return environment_variables(dict.fromkeys(given, "1"))
