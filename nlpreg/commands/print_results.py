"""`nlpreg print-results`: the metrics of many runs side by side."""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Iterator
from typing import Any, ClassVar

from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, did_you_mean

logger = logging.getLogger(__name__)

DESCRIPTION = """
Print metrics of all runs below a folder as CSV, a line for each run. Without -k, all best validation and test metrics.
"""


@Subcommand.register("print-results")
class PrintResults(Subcommand):
    """Prints the metrics of many runs."""

    requires_plugins: ClassVar[bool] = False

    def add_subparser(self, parser: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser = self.new_parser(parser, DESCRIPTION)
        subparser.add_argument("path", metavar="FOLDER", help="where to look for runs, at any depth")
        subparser.add_argument(
            "-k",
            "--keys",
            nargs="+",
            action="extend",
            metavar="KEY",
            help="metrics to print",
            default=None,
        )
        subparser.add_argument(
            "-m",
            "--metrics-filename",
            default="metrics.json",
            metavar="NAME",
            help="name of the files with metrics",
        )
        subparser.set_defaults(func=print_results_from_args)
        return subparser

    def validate(self, args: argparse.Namespace) -> None:
        """Make sure that the folder is there."""
        if not os.path.isdir(args.path):
            raise ConfigurationError(f"FOLDER: {args.path}: there is no such folder")


def print_results_from_args(args: argparse.Namespace) -> None:
    """Print the metrics that the command line asks for."""
    results = dict(sorted(_read_metrics(args.path, args.metrics_filename)))
    if not results:
        logger.warning("no %s below %s: no run has come to its end there", args.metrics_filename, args.path)
    keys = args.keys
    found = dict.fromkeys(key for metrics in results.values() for key in metrics)
    for key in keys or ():
        if results and key not in found:
            logger.warning("no run has %s%s", key, did_you_mean(key, list(found)))
    if keys is None:
        keys = [key for key in found if key.startswith(("best_validation_", "test_"))] or list(found)
    print(", ".join(["model_run", *keys]))
    for path, metrics in results.items():
        print(", ".join([path, *(str(metrics.get(key, "N/A")) for key in keys)]))


def _read_metrics(folder: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, metrics) of each metrics file below a folder.

    Raises:
        ConfigurationError: a file is not a JSON object.
    """
    for parent, _, names in os.walk(folder):
        if name not in names:
            continue
        path = os.path.join(parent, name)
        try:
            with open(path, encoding="utf-8") as file:
                metrics = json.load(file)
        except ValueError as error:
            raise ConfigurationError(f"{path}: not valid JSON ({error})") from error
        if not isinstance(metrics, dict):
            raise ConfigurationError(f"{path}: expected a JSON object, got {str(metrics)[:60]!r}")
        yield path, metrics
