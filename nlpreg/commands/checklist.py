"""`nlpreg checklist`: explains why there are no behavioural test suites, and what to use instead."""

import argparse
from typing import ClassVar

from nlpreg.commands.subcommand import Subcommand, SubParsers
from nlpreg.common.checks import ConfigurationError

DESCRIPTION = """
AllenNLP's behavioural test suites need the package checklist, which cannot be installed with the versions of Python that
nlpreg supports: its setup fails with current versions of Jupyter. This command only explains how to write such tests without it.
"""


@Subcommand.register("checklist")
class CheckList(Subcommand):
    """The command `nlpreg checklist`."""

    requires_plugins: ClassVar[bool] = False

    def add_subparser(self, parser: SubParsers) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser = self.new_parser(parser, DESCRIPTION, epilog="")
        subparser.add_argument("archive_file", metavar="ARCHIVE", help="the model to test")
        subparser.add_argument("task", metavar="TASK", help="name of the suite")
        subparser.set_defaults(func=_refuse)
        return subparser


def _refuse(args: argparse.Namespace) -> None:
    raise ConfigurationError(
        "checklist: there are no test suites, since the package checklist cannot be installed on a current Python. "
        "Write the inputs yourself, predict with `nlpreg.predictors.Predictor.from_path"
        f"({args.archive_file!r}).predict_batch_json(inputs)`, and compare: the same label for a typo, a higher score "
        "for stronger praise, and so on"
    )
