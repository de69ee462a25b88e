"""`nlpreg list`: the registries and what is in them."""

from __future__ import annotations

import argparse
from typing import Any

from nlpreg.commands.subcommand import Subcommand

DESCRIPTION = """
Without an argument, list the registries: the kinds of parts that a config is made of. With the name of one, list
what is registered there, with a line on each. `nlpreg describe REGISTRY:NAME` says more.
"""


@Subcommand.register("list")
class ListRegistries(Subcommand):
    """Lists registries."""

    def add_subparser(self, parser: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser = self.new_parser(parser, DESCRIPTION)
        subparser.add_argument("registry", nargs="?", help="such as model, seq2seq_encoder or Tokenizer")
        subparser.set_defaults(func=_run)
        return subparser


def _run(args: argparse.Namespace) -> None:
    from nlpreg.common.config.describe import find_base, registries, summary
    from nlpreg.common.config.registry import REGISTRY

    if args.registry is None:
        entries = {name: ", ".join(sorted(REGISTRY[base])) for name, base in registries().items()}
    else:
        base = find_base(args.registry)
        entries = {
            name: summary(getattr(cls, constructor) if constructor and cls is base else cls)
            for name, (cls, constructor) in REGISTRY[base].items()
        }
    width = max(len(name) for name in entries)
    for name, text in sorted(entries.items()):
        print(f"{name:<{width}}  {text}".rstrip())
