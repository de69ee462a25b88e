"""`nlpreg check`: validate a config without running it."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from nlpreg.commands.options import add_config_argument, add_overrides_option, check_file
from nlpreg.commands.subcommand import Subcommand

if TYPE_CHECKING:
    from nlpreg.commands.check.checking import Checked


@Subcommand.register("check")
class Check(Subcommand):
    """Compare a config with the constructors that it names, and print all of its problems.

    Problems are unknown keys and names, wrong types, missing arguments, dimensions that do not match, missing files,
    devices and environment variables, and values that constructors reject. No data is read without --data. The exit
    status is 0 without problems, otherwise 2.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        add_config_argument(parser)
        parser.add_argument(
            "-s", "--serialization-dir", metavar="DIR", help="output folder, to check that it can be written"
        )
        parser.add_argument(
            "--resolved", action="store_true", help="print the config with every default filled in, as JSON"
        )
        parser.add_argument(
            "--data",
            action="store_true",
            help="also read a few instances of each data set, and run a training and a validation batch",
        )
        add_overrides_option(parser)
        parser.set_defaults(func=_run)

    def validate(self, args: argparse.Namespace) -> None:
        """Validate the path before slow modules are imported."""
        check_file(args.param_path, "CONFIG")


def _run(args: argparse.Namespace) -> None:
    from nlpreg.commands.check.checking import check_file as check_config_file
    from nlpreg.commands.check.checking import report
    from nlpreg.common.logging import printable
    from nlpreg.common.params import Params

    checked = check_config_file(args.param_path, args.overrides, args.serialization_dir)
    if args.data and not checked.problems:
        _add_data(checked)
    if checked.problems:
        print(printable(report(args.param_path, checked.problems)))
        if checked.warnings:
            print(report(args.param_path, checked.warnings, "warning"))
        sys.exit(2)
    if args.resolved:
        json.dump(Params(checked.resolved_config()).as_ordered_dict(), sys.stdout, indent=4)
        sys.stdout.write("\n")
    else:
        if checked.warnings:
            print(report(args.param_path, checked.warnings, "warning"))
        print(f"{args.param_path}: no problems found")


def _add_data(checked: "Checked") -> None:
    """Add the problems and warnings of first batches."""
    from nlpreg.commands.check.data_check import data_findings

    findings = data_findings(checked)
    assert checked.file is not None
    checked.problems += map(checked.file.located, findings.problems)
    checked.warnings += map(checked.file.located, findings.warnings)
