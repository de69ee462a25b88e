"""`Subcommand`: what a command of the command line, built in or a plugin's, must offer."""

import argparse
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias, TypeVar

from nlpreg.commands.catalog import COMMANDS
from nlpreg.common.registrable import Registrable

C = TypeVar("C")
SubParsers: TypeAlias = "argparse._SubParsersAction[Any]"  # argparse gives it no public name
"""What `add_subparsers` of a parser returns, to which commands add theirs."""


class Subcommand(Registrable):
    """A command; register a subclass under the word that calls it.

    Its module should import quickly: what takes long to import belongs inside the function that runs.
    """

    requires_plugins: ClassVar[bool] = True
    """Whether plugins are loaded first, and the option `--include-package` is offered."""

    reverse_registry: ClassVar[dict[Any, str]] = {}
    """Command class -> the word that calls it."""

    @property
    def name(self) -> str:
        """The word that calls this command."""
        return self.reverse_registry[type(self)]

    @property
    def summary(self) -> str:
        """One line for the list of commands."""
        entry = COMMANDS.get(self.name)
        if entry is not None:
            return entry.summary
        return (type(self).__doc__ or "").strip().partition("\n")[0]

    def add_subparser(self, parser: SubParsers) -> argparse.ArgumentParser:
        """Add this command's parser with its arguments, and set its default `func`.

        Args:
            parser: what `add_subparsers` of the main parser gave.

        Returns:
            The parser added; `func`, called with the parsed arguments, runs the command.
        """
        raise NotImplementedError

    def new_parser(
        self, parser: SubParsers, description: str, epilog: str | None = None
    ) -> argparse.ArgumentParser:
        """An empty parser for this command.

        Args:
            parser: as in `add_subparser`.
            description: what the command does.
            epilog: examples; with them the layout of both texts is kept.
        """
        layout = argparse.HelpFormatter if epilog is None else argparse.RawDescriptionHelpFormatter
        added: argparse.ArgumentParser = parser.add_parser(
            self.name, help=self.summary, description=description, epilog=epilog, formatter_class=layout
        )
        return added

    def validate(self, args: argparse.Namespace) -> None:
        """Look at the arguments before anything slow is imported; by default at nothing.

        Raises:
            ConfigurationError: an argument cannot be right.
        """

    @classmethod
    def register(cls, name: str, constructor: str | None = None, exist_ok: bool = False) -> Callable[[C], C]:
        """Register a command under the word that calls it."""
        add: Callable[[C], C] = super().register(name, constructor, exist_ok)

        def add_and_remember(subclass: C) -> C:
            Subcommand.reverse_registry[subclass] = name
            return add(subclass)

        return add_and_remember
