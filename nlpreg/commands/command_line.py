"""Parsing of the command line, running the command that it names, and the exit status."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nlpreg.commands.catalog import COMMANDS
from nlpreg.version import VERSION

if TYPE_CHECKING:
    from nlpreg.commands.subcommand import Subcommand, SubParsers

DESCRIPTION = "Train, evaluate and use NLP models, each described by one Jsonnet file."


class ArgumentParserWithDefaults(argparse.ArgumentParser):
    """A parser that adds the default value to the help of each option."""

    _no_default: tuple[Any, ...] = (None, False, "", [], argparse.SUPPRESS)

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        """As `ArgumentParser.add_argument`."""
        default = kwargs.get("default")
        text = kwargs.get("help")
        if (
            isinstance(text, str)
            and text is not argparse.SUPPRESS
            and args
            and args[0].startswith("-")
            and not any(default is none or default == none for none in self._no_default)
        ):
            kwargs["help"] = f"{text} (default: %(default)s)"
        return super().add_argument(*args, **kwargs)


def main(prog: str | None = None, argv: Sequence[str] | None = None) -> int:
    """Run a command from Python code; errors are raised.

    Args:
        prog: name of the program in the help.
        argv: the command line without the program's name; by default that of this process.

    Returns:
        0; failures are raised.

    Raises:
        Exception: any error of the command, such as a `ConfigurationError`.
        SystemExit: the command line is invalid (2), or asks for help or the version (0); or the result of the command is
            its exit status, as for `check`.
    """
    parser, args = parse_args(prog, argv)
    if getattr(args, "func", None) is None:
        parser.print_help()
        return 0
    from nlpreg.commands.console import console

    with console(args):
        _run(args)
    return 0


def exit_status(prog: str | None = None, argv: Sequence[str] | None = None) -> int:
    """Run a command like `main`, but report errors as a short message on standard error.

    Args:
        prog: as in `main`.
        argv: as in `main`.

    Returns:
        The exit status: 0 for success, 1 for a failure, 2 for a mistake of the user, 130 after Ctrl-C, 143 after SIGTERM,
        and 75 after SIGTERM if the run can be resumed.

    Raises:
        SystemExit: as in `main`.
    """
    parser, args = parse_args(prog, argv)
    if getattr(args, "func", None) is None:
        parser.print_help()
        return 0
    from nlpreg.commands.failures import run_reporting_failures

    return run_reporting_failures(args, lambda: _run(args))


def parse_args(
    prog: str | None = None, argv: Sequence[str] | None = None
) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Parse a command line; only the command that it names is imported.

    Args:
        prog: name of the program in the help.
        argv: the command line without the program's name; by default that of this process.

    Returns:
        The main parser, and the arguments; their `func` runs the command, and is None if no command was named.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = ArgumentParserWithDefaults(prog=prog, description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    parser.set_defaults(func=None, subcommand=None)
    # explicitly this class, so that the options of commands show their defaults too
    subparsers = parser.add_subparsers(
        title="commands", metavar="COMMAND", parser_class=ArgumentParserWithDefaults
    )
    if words and words[0] in COMMANDS:
        # a plugin may replace a built-in command
        _add_command(subparsers, _commands_of_plugins().get(words[0]) or _built_in(words[0]))
    elif words[:1] != ["--version"]:
        plugins = _commands_of_plugins()
        for name in sorted({*COMMANDS, *plugins}):
            if name in plugins:
                _add_command(subparsers, plugins[name])
            else:
                subparsers.add_parser(name, help=COMMANDS[name].summary)
        if words and not words[0].startswith("-") and words[0] not in {*COMMANDS, *plugins}:
            parser.error(_unknown_command(words[0], sorted({*COMMANDS, *plugins})))
    args, unknown = parser.parse_known_args(words)
    if unknown:
        command = subparsers.choices.get(words[0], parser)
        command.error(f"unrecognized arguments: {' '.join(unknown)}{_nearest_option(unknown[0], command)}")
    return parser, args


def _nearest_option(word: str, parser: argparse.ArgumentParser) -> str:
    from nlpreg.common.checks import did_you_mean

    return did_you_mean(word.partition("=")[0], re.findall(r"--[\w-]+", parser.format_usage()))


def _unknown_command(word: str, names: Sequence[str]) -> str:
    from nlpreg.common.checks import did_you_mean

    return f'there is no command "{word}"{did_you_mean(word, names)} (known: {", ".join(names)})'


def _built_in(name: str) -> Subcommand:
    entry = COMMANDS[name]
    command: Subcommand = getattr(
        importlib.import_module(f"nlpreg.commands.{entry.module}"), entry.class_name
    )()
    return command


def _commands_of_plugins() -> dict[str, Subcommand]:
    """The commands that plugins register, by name; plugins are imported only if there may be any."""
    if not _has_plugins():
        return {}
    from nlpreg.commands.subcommand import Subcommand
    from nlpreg.common.plugins import load_plugins

    load_plugins()

    commands = {name: Subcommand.by_name(name) for name in Subcommand.list_available()}
    return {
        name: cls() for name, cls in commands.items() if not cls.__module__.startswith("nlpreg.commands.")
    }


def _has_plugins() -> bool:
    """Whether there may be plugins, without importing modules that a help text does not need."""
    if os.path.exists(".nlpreg_plugins") or os.path.exists(os.path.expanduser("~/.nlpreg/plugins")):
        return True
    for folder in sys.path:
        try:
            names = [name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))]
        except OSError:
            continue
        for name in names:
            try:
                with open(os.path.join(folder, name, "entry_points.txt"), encoding="utf-8") as file:
                    if "[nlpreg.plugins]" in file.read():
                        return True
            except OSError:
                continue
    return False


def _add_command(subparsers: SubParsers, command: Subcommand) -> None:
    parser = command.add_subparser(subparsers)
    parser.set_defaults(subcommand=command)
    if command.requires_plugins:
        _add_option(
            parser,
            "--include-package",
            action="append",
            default=[],
            metavar="PACKAGE",
            help="first import this package and its modules, which may register classes; may be repeated",
        )
    _add_option(parser, "-v", "--verbose", action="store_true", help="show more on the console")
    _add_option(
        parser, "-q", "--quiet", action="store_true", help="show only results and errors on the console"
    )
    _add_option(
        parser, "--debug", action="store_true", help="show the traceback of an error; so does NLPREG_DEBUG=1"
    )


def _add_option(parser: argparse.ArgumentParser, *names: str, **options: Any) -> None:
    """Add an option, without its short name if the command itself uses that, and not at all if it uses the long name."""
    for usable in (names, names[-1:]):
        with contextlib.suppress(argparse.ArgumentError):
            parser.add_argument(*usable, **options)
            return


def _run(args: argparse.Namespace) -> None:
    from nlpreg.common.config.untrusted import remote_allowed

    command: Subcommand = args.subcommand
    command.validate(args)
    with remote_allowed(getattr(args, "allow_remote", False)):
        _run_with_plugins(command, args)


def _run_with_plugins(command: Subcommand, args: argparse.Namespace) -> None:
    if command.requires_plugins:
        from nlpreg.common.plugins import import_packages, import_plugins

        import_plugins()
        import_packages(getattr(args, "include_package", None) or ())
    args.func(args)
