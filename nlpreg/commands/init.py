"""`nlpreg init`: a first config for a model, with comments."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from nlpreg.commands.options import check_folder_of
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

__all__ = ["Init"]

DESCRIPTION = """
Write a config for a model: its required parts filled in with sensible values, what else may be set as comments with
the defaults. Set the data paths, and `nlpreg train` runs it.
"""

EPILOG = """
examples:
  nlpreg init simple_tagger > tagger.jsonnet
  nlpreg init language_model -o lm.jsonnet
  nlpreg init crf_tagger --reader conllu -o ner.jsonnet
"""


@Subcommand.register("init")
class Init(Subcommand):
    """Writes a first config."""

    def add_subparser(self, parser: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser = self.new_parser(parser, DESCRIPTION, EPILOG)
        subparser.add_argument(
            "model", metavar="MODEL", help="registered name; `nlpreg list model` shows them"
        )
        subparser.add_argument(
            "--reader", metavar="NAME", help="dataset reader; by default one that fits the model"
        )
        subparser.add_argument("-o", "--output", metavar="FILE", help="write here instead of the console")
        subparser.add_argument("-f", "--force", action="store_true", help="replace FILE if it exists")
        subparser.set_defaults(func=_run)
        return subparser

    def validate(self, args: argparse.Namespace) -> None:
        """Refuse to overwrite a file before anything slow is imported."""
        if args.output:
            check_folder_of(args.output)
            if os.path.exists(args.output) and not args.force:
                raise ConfigurationError(f"{args.output}: this exists already; -f replaces it")


def _run(args: argparse.Namespace) -> None:
    from nlpreg.commands.skeleton import skeleton_config
    from nlpreg.common.files import atomic_write

    text = skeleton_config(args.model, args.reader)
    if args.output is None:
        sys.stdout.write(text)
        return
    with atomic_write(args.output, "w") as file:
        file.write(text)
    print(f"{args.output}: set the data paths, then check it with: nlpreg check {args.output}")
