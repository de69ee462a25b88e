"""`nlpreg print-results`: a table of the metrics of several runs."""

import argparse
import logging
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from nlpreg.commands.console import format_value, table
from nlpreg.commands.report.run_record import read_run_json
from nlpreg.commands.runs.group import is_number, spread_of
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, did_you_mean
from nlpreg.common.digests import warn_if_changed

logger = logging.getLogger(__name__)


@Subcommand.register("print-results")
class PrintResults(Subcommand):
    """Print metrics of all runs below a folder as a table with a row for each run.

    Without -k, all best validation and test metrics. Runs of one config with several seeds or folds (folders seed_N,
    fold_N) get a row above them, with mean and standard deviation.

    examples:
      nlpreg print-results runs/
      nlpreg print-results runs/ -k best_epoch best_validation_accuracy --csv > results.csv
    """

    requires_plugins: ClassVar[bool] = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("path", metavar="FOLDER", help="where to look for runs, at any depth")
        parser.add_argument(
            "-k",
            "--keys",
            nargs="+",
            action="extend",
            metavar="KEY",
            help="metrics to print",
            default=None,
        )
        parser.add_argument(
            "-m",
            "--metrics-filename",
            default="metrics.json",
            metavar="NAME",
            help="name of the files with metrics",
        )
        parser.add_argument(
            "--csv",
            action="store_true",
            help="print comma-separated values with all digits, a line for each file of metrics, for other programs",
        )
        parser.set_defaults(func=print_results_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check that the folder exists."""
        if not os.path.isdir(args.path):
            raise ConfigurationError(f"FOLDER: {args.path}: there is no such folder")


def print_results_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments."""
    results = dict(sorted(_read_metrics(args.path, args.metrics_filename)))
    if not results:
        logger.warning("no %s below %s: there are no finished runs", args.metrics_filename, args.path)
    keys = args.keys
    found = dict.fromkeys(key for metrics in results.values() for key in metrics)
    for key in keys or ():
        if results and key not in found:
            logger.warning("no run has %s%s", key, did_you_mean(key, list(found)))
    if keys is None:
        keys = [key for key in found if key.startswith(("best_validation_", "test_"))] or list(found)
    if args.csv:
        print(", ".join(["model_run", *keys]))
        for path, metrics in results.items():
            print(", ".join([path, *(str(metrics.get(key, "N/A")) for key in keys)]))
    elif results:
        runs = {os.path.dirname(path): metrics for path, metrics in results.items()}
        print("\n".join(table(_rows(runs, keys), ["run", *keys])))


def _rows(runs: dict[str, dict[str, Any]], keys: list[str]) -> list[list[str]]:
    """A row for each run, and one above those of several seeds or folds."""
    groups: dict[tuple[str, str], list[str]] = {}
    for folder in runs:
        member = _MEMBER.fullmatch(os.path.basename(folder))
        if member:
            groups.setdefault((os.path.dirname(folder), member[1]), []).append(folder)
    rows = []
    for folder, metrics in runs.items():
        for (parent, kind), members in groups.items():
            if members[0] == folder and len(members) > 1:
                values = [[runs[one].get(key) for one in members] for key in keys]
                rows.append([f"{parent} ({len(members)} {kind}s)", *map(_mean_and_spread, values)])
        rows.append([folder, *(format_value(metrics[key]) if key in metrics else "N/A" for key in keys)])
    return rows


# The runs of one config with several seeds or folds have a folder each.
_MEMBER = re.compile(r"(seed|fold)_\w+")


def _mean_and_spread(values: Sequence[Any]) -> str:
    """Mean and sample standard deviation of a metric, such as `0.9433 ± 0.0021`.

    Args:
        values: one value for each run; if some are not finite numbers, the others are used and their number is shown.
    """
    spread = spread_of(filter(is_number, values))
    if not spread.num_runs:
        return "N/A"
    return str(spread) if spread.num_runs == len(values) else f"{spread} (of {spread.num_runs})"


def _read_metrics(folder: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, metrics) of each metrics file below a folder.

    Raises:
        ConfigurationError: a file is not a JSON object.
    """
    for parent, _, names in os.walk(folder):
        if name not in names:
            continue
        warn_if_changed(parent, name)
        yield os.path.join(parent, name), read_run_json(parent, name)
