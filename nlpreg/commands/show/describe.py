"""`nlpreg describe`: a registered class and the keys of its section in a config."""

import argparse
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.config import describe
from nlpreg.common.config.jsonnet import jsonnet_text
from nlpreg.common.config.nodes import is_json
from nlpreg.common.lazy import Lazy

_WIDTH = 100


@Subcommand.register("describe")
class Describe(Subcommand):
    """Describe a part of a config: its arguments with types, defaults and meaning, and an example of its section.

    examples:
      nlpreg describe seq2seq_encoder:lstm
      nlpreg describe crf_tagger                    the registry can be omitted if the name is unique
      nlpreg describe my_package.models.MyModel     a class by its full name
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("name", metavar="REGISTRY:NAME", help="such as seq2seq_encoder:lstm")
        parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> None:
    print(description_text(describe.describe_class(*describe.find_class(args.name))))


def description_text(description: describe.Description) -> str:
    """Format the description of a class."""
    return "\n".join(_lines(description))


def _lines(description: describe.Description) -> Iterator[str]:
    from nlpreg.commands.show.init import example_section

    cls, base = description.cls, description.base
    yield f"{describe.snake_case(base.__name__)}:{description.name}" if base is not None else description.name
    yield f"{cls.__module__}.{getattr(cls, '__qualname__', description.name)}"
    if description.text:
        yield ""
        yield description.text
    extras = (getattr(base, "constructor_extras", None) or frozenset()) | {"vocab", "serialization_dir"}
    passed = [argument.name for argument in description.arguments if argument.name in extras]
    given = [argument for argument in description.arguments if argument.name not in extras]
    for title, arguments in (
        ("required", [argument for argument in given if argument.is_required]),
        ("optional", [argument for argument in given if not argument.is_required]),
    ):
        if arguments:
            yield ""
            yield title
            for argument in arguments:
                yield from _argument_lines(argument)
    if description.open:
        yield ""
        yield "Other keys are passed on as they are."
    if passed:
        yield ""
        yield f"passed by nlpreg: {', '.join(passed)}"
    yield ""
    yield "example"
    section = example_section(base, description.name)
    yield textwrap.indent(jsonnet_text(section, width=_WIDTH - 20), "  ")


def _argument_lines(argument: describe.Argument) -> Iterator[str]:
    default = "" if argument.is_required else f" = {_default(argument.default)}"
    yield f"  {argument.name}: {describe.argument_type(argument)}{default}"
    yield from textwrap.wrap(argument.doc, _WIDTH, initial_indent="      ", subsequent_indent="      ")


def _default(value: Any) -> str:
    """A default as a config writes it; an object by the name of its class."""
    if is_json(value):
        return jsonnet_text(value)
    if isinstance(value, Lazy):
        value = value.constructor
        return str(getattr(value, "__qualname__", value))
    if inspect.isroutine(value) or isinstance(value, type):
        return value.__name__
    return f"{type(value).__name__}(...)"
