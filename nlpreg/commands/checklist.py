"""`nlpreg checklist`: explains why there are no behavioural test suites, and what to use instead."""

import argparse
from typing import ClassVar

from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError


@Subcommand.register("checklist")
class CheckList(Subcommand):
    """Explain how to write behavioural tests without AllenNLP's test suites.

    Those suites need the package checklist, which cannot be installed with the versions of Python that nlpreg supports:
    its setup fails with current versions of Jupyter.
    """

    requires_plugins: ClassVar[bool] = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("archive_file", metavar="ARCHIVE", help="the model to test")
        parser.add_argument("task", metavar="TASK", help="name of the suite")
        parser.set_defaults(func=_refuse)


def _refuse(args: argparse.Namespace) -> None:
    raise ConfigurationError(
        "checklist: there are no test suites, since the package checklist cannot be installed on a current Python. "
        "Write the inputs yourself, predict with `nlpreg.predictors.Predictor.from_path"
        f"({args.archive_file!r}).predict_batch_json(inputs)`, and compare: the same label for a typo, a higher score "
        "for stronger praise, and so on"
    )
