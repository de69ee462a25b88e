"""`nlpreg completion`: completion of commands, options, registered names and config keys in a shell."""

import argparse
import contextlib
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from nlpreg.commands.subcommand import Subcommand
from nlpreg.version import VERSION

_SCRIPTS = Path(__file__).parent / "completions"
"""Folder of the scripts; each passes the command line up to the cursor, and completes file names if there are no candidates."""

_SHELLS = ("bash", "fish", "zsh")


@Subcommand.register("completion")
class Completion(Subcommand):
    """Print a script with which a shell completes the command line of nlpreg.

    Commands, options, registered names, and the keys of a config after -o are completed.

    examples:
      source <(nlpreg completion bash)                               bash, for this session; or add the line to ~/.bashrc
      source <(nlpreg completion zsh)                                zsh, for this session; or add the line to ~/.zshrc
      nlpreg completion fish > ~/.config/fish/completions/nlpreg.fish
    """

    requires_plugins: ClassVar[bool] = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument("shell", nargs="?", choices=_SHELLS, help="the shell")
        # used by the scripts
        group.add_argument("--line", help=argparse.SUPPRESS)
        parser.set_defaults(func=completion_from_args)


def completion_from_args(args: argparse.Namespace) -> None:
    """Print the script of a shell, or the candidates for a command line."""
    if args.line is not None:
        print("\n".join(candidates(args.line)))
    else:
        print((_SCRIPTS / f"nlpreg.{args.shell}").read_text(encoding="utf-8"), end="")


def candidates(line: str) -> list[str]:
    """The candidates for the last word of a command line; empty where a file name is expected.

    Args:
        line: the command line up to the cursor, with the program's name; a trailing space begins a new word.
    """
    words = line.split()[1:]
    if not words or line[-1].isspace():
        words.append("")
    *before, last = words
    return sorted({word for word in _words(before, last) if word.startswith(last)})


def _words(before: Sequence[str], last: str) -> Iterator[str]:
    """All words that may follow `before`; the caller selects those that begin with `last`."""
    from nlpreg.commands.catalog import COMMANDS

    if not before:
        yield from COMMANDS
        yield from ("--help", "--version")
    elif before[0] not in COMMANDS:
        return
    elif last.startswith("-"):
        yield from _options(before[0])
    elif before[-1] in ("-o", "--overrides"):
        yield from _config_keys(before)
    elif before[0] in ("list", "describe", "init") and len(before) == 1:
        yield from _registered_names(before[0])


def _options(command: str) -> Iterator[str]:
    """The options that the help of a command lists."""
    from nlpreg.commands.command_line import parse_args

    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        parse_args("nlpreg", [command, "--help"])
    yield from re.findall(r"(?<![\w-])--[a-z][\w-]*", text.getvalue())


def _config_keys(before: Sequence[str]) -> Iterator[str]:
    """`key=` for each value of the first config among the words."""
    from nlpreg.commands.options import read_config
    from nlpreg.common.checks import ConfigurationError

    path = next(
        (word for word in before if word.endswith((".jsonnet", ".json")) and os.path.isfile(word)), None
    )
    if path is None:
        return
    try:
        config = read_config(path)
    except ConfigurationError:
        return  # no candidates for a config that cannot be read; `nlpreg check` reports the reason
    for key in config.as_flat_dict():
        yield f"{key}="


def _registered_names(command: str) -> Iterator[str]:
    """The registries, `registry:name` or models that the command takes."""
    registries = _registries()
    if command == "init":
        yield from registries.get("model", [])
    else:
        yield from registries
        if command == "describe":
            yield from (f"{registry}:{name}" for registry, names in registries.items() for name in names)


def _registries() -> dict[str, list[str]]:
    from nlpreg.common.file_utils import CACHE_ROOT
    from nlpreg.common.files import atomic_write

    # Cached in a file, because importing all parts takes seconds. Plugins are excluded, since their code changes.
    path = Path(CACHE_ROOT) / f"completion-{VERSION}.json"
    try:
        found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        from nlpreg.common.config.describe import registries
        from nlpreg.common.config.registry import REGISTRY
        from nlpreg.common.plugins import import_builtin_parts

        import_builtin_parts()
        found = {name: sorted(REGISTRY[base]) for name, base in registries().items()}
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path, "w") as file:
                json.dump(found, file)
    return found
