"""The command `nlpreg report`."""

import argparse
import os
from typing import TYPE_CHECKING

from nlpreg.commands.options import add_cuda_device_option, check_output_file
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, check_at_least

if TYPE_CHECKING:
    from nlpreg.commands.report.analysis import Analysis
    from nlpreg.commands.report.language import LanguageAnalysis
    from nlpreg.commands.report.run_record import RunRecord

_DEFAULT_NAME = "report.html"
_DEFAULT_NUM_INSTANCES = 2000


@Subcommand.register("report")
class Report(Subcommand):
    """Write an HTML page about a run, or one that compares several runs.

    The page shows curves of the metrics, config, environment, and the errors of the model on the validation data. It
    works offline.

    examples:
      nlpreg report out/                             writes out/report.html
      nlpreg report out/ --data test.conllu          analyses the errors on other data
      nlpreg report a/ b/ c/ -o comparison.html
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("folders", metavar="RUN", nargs="+", help="the folder of a run")
        parser.add_argument(
            "-o",
            "--output-file",
            metavar="FILE",
            help="the page (default: report.html in the first run's folder)",
        )
        parser.add_argument(
            "--data",
            metavar="PATH",
            help="data for the analysis of errors (default: the validation data of the run)",
        )
        parser.add_argument(
            "--max-instances",
            type=int,
            default=_DEFAULT_NUM_INSTANCES,
            metavar="N",
            help=f"analyse the first N instances (default {_DEFAULT_NUM_INSTANCES}); 0 for no analysis",
        )
        add_cuda_device_option(parser)
        parser.set_defaults(func=report_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Make sure that the folders are those of runs."""
        for folder in args.folders:
            if not os.path.isfile(os.path.join(folder, "config.json")):
                raise ConfigurationError(
                    f"RUN: {folder}: expected the folder of a run, found no config.json in it"
                )
        check_output_file(args.output_file, args.data)
        check_at_least(0, **{"--max-instances": args.max_instances})


def report_from_args(args: argparse.Namespace) -> str:
    """Write the page, and print its path.

    Returns:
        The path.
    """
    from nlpreg.commands.report.page import comparison_page, run_page
    from nlpreg.commands.report.run_record import RunRecord
    from nlpreg.common.files import atomic_write

    records = [RunRecord.read(folder) for folder in args.folders]
    if len(records) == 1:
        page = run_page(records[0], _analysis(args, records[0]))
    else:
        page = comparison_page(records)
    path = str(args.output_file or os.path.join(args.folders[0], _DEFAULT_NAME))
    with atomic_write(path) as file:
        file.write(page.encode("utf-8"))
    print(path)
    return path


def _analysis(args: argparse.Namespace, record: "RunRecord") -> "Analysis | LanguageAnalysis | None":
    """The analysis of the model of a run; None without an archive, data, or predictions to analyse."""
    archive_file = os.path.join(record.folder, "model.tar.gz")
    data = args.data or record.config.get("validation_data_path")
    if args.max_instances == 0 or not os.path.isfile(archive_file) or not data:
        return None
    from nlpreg.commands.report.analysis import analyse_labels
    from nlpreg.commands.report.language import analyse_language_model
    from nlpreg.models import load_archive

    archive = load_archive(archive_file, args.cuda_device)
    language = analyse_language_model(archive, data, args.max_instances)
    return language or analyse_labels(archive, data, args.max_instances)
