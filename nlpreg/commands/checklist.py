"""`nlpreg checklist`: a pointer to behavioural tests, which are not part of nlpreg."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

__all__ = ["CheckList"]

DESCRIPTION = """
Behavioural test suites (invariance, direction and minimum-functionality tests) are not built into nlpreg.
"""


@Subcommand.register("checklist")
class CheckList(Subcommand):
    """Says how to run behavioural tests."""

    requires_plugins: ClassVar[bool] = False

    def add_subparser(self, parser: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser: argparse.ArgumentParser = parser.add_parser(
            self.name, help=self.summary, description=DESCRIPTION
        )
        subparser.add_argument("archive_file", metavar="ARCHIVE", help="the model to test")
        subparser.add_argument("task", metavar="TASK", help="name of the suite")
        subparser.set_defaults(func=_refuse)
        return subparser


def _refuse(args: argparse.Namespace) -> None:
    raise ConfigurationError(
        "checklist: nlpreg has no test suites of its own. Install the package checklist (pip install checklist), make a "
        "suite there, and give it the function that Predictor.from_path"
        f"({args.archive_file!r}).predict_batch_json is: it takes and returns plain JSON"
    )
