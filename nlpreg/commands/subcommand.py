"""`Subcommand`, the base class of the commands, built-in ones and those of plugins."""

import argparse
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias, TypeVar

from nlpreg.commands.catalog import COMMANDS
from nlpreg.common.registrable import Registrable

C = TypeVar("C")
SubParsers: TypeAlias = "argparse._SubParsersAction[Any]"  # argparse has no public name for it
"""The result of `ArgumentParser.add_subparsers`, to which commands add their parsers."""


class Subcommand(Registrable):
    """A command; subclasses are registered under its name on the command line.

    The help of a command is the docstring of its class; what follows a line `examples:` comes after the options. The module
    of a command should import quickly: slow imports belong inside the function that runs the command.
    """

    requires_plugins: ClassVar[bool] = True
    """Whether plugins are loaded first, and the command has the option `--include-package`."""

    reverse_registry: ClassVar[dict[Any, str]] = {}
    """Command class -> registered name."""

    @property
    def name(self) -> str:
        """The registered name of this command."""
        return self.reverse_registry[type(self)]

    @property
    def summary(self) -> str:
        """One line for the list of commands."""
        entry = COMMANDS.get(self.name)
        if entry is not None:
            return entry.summary
        return (type(self).__doc__ or "").strip().partition("\n")[0]

    def add_subparser(self, parser: SubParsers) -> argparse.ArgumentParser:
        """Add this command's parser with its arguments.

        Args:
            parser: the result of `add_subparsers` of the main parser.

        Returns:
            The parser; its default `func`, called with the parsed arguments, runs the command.
        """
        description, mark, examples = inspect.cleandoc(type(self).__doc__ or "").partition("examples:\n")
        added = self.new_parser(parser, description, mark + examples or None)
        self.add_arguments(added)
        return added

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this command to its parser, and set its default `func`, which runs the command."""
        raise NotImplementedError(f"{type(self).__name__} does not implement add_arguments")

    def new_parser(
        self, parser: SubParsers, description: str, epilog: str | None = None
    ) -> argparse.ArgumentParser:
        """An empty parser for this command.

        Args:
            parser: as in `add_subparser`.
            description: description of the command.
            epilog: examples; if given, the line breaks of both texts are kept.
        """
        layout = argparse.HelpFormatter if epilog is None else argparse.RawDescriptionHelpFormatter
        added: argparse.ArgumentParser = parser.add_parser(
            self.name, help=self.summary, description=description, epilog=epilog, formatter_class=layout
        )
        return added

    def validate(self, args: argparse.Namespace) -> None:
        """Check the arguments before slow modules are imported; the base class checks nothing.

        Raises:
            ConfigurationError: an argument is invalid.
        """

    @classmethod
    def register(cls, name: str, constructor: str | None = None, exist_ok: bool = False) -> Callable[[C], C]:
        """Register a command under its name on the command line."""
        add: Callable[[C], C] = super().register(name, constructor, exist_ok)

        def add_and_remember(subclass: C) -> C:
            Subcommand.reverse_registry[subclass] = name
            return add(subclass)

        return add_and_remember
