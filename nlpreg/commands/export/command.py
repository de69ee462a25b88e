"""`nlpreg export`: export a trained model to torch.export, ONNX or safetensors."""

import argparse
import os

from nlpreg.commands.options import add_archive_options, add_no_cache_option, arguments_for, check_archive
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

_FORMATS = ("torch", "onnx", "safetensors")


@Subcommand.register("export")
class Export(Subcommand):
    """Write a trained model as a program that runs without its config.

    The program is for torch (torch.export) or for ONNX (needs the packages onnx, onnxscript and onnxruntime);
    safetensors has the weights alone. Batches and sentences may have any size. Before anything is written to DIR, the
    outputs of the program are compared with those of the model on batches of data.

    examples:
      nlpreg export out/model.tar.gz --to onnx -o exported/ --data dev.conllu
      python exported/example.py
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        add_archive_options(parser)
        parser.add_argument("--to", required=True, choices=_FORMATS, help="format of the export")
        parser.add_argument(
            "-o", "--output-dir", required=True, metavar="DIR", help="folder for the program; new or empty"
        )
        parser.add_argument(
            "--data",
            metavar="FILE",
            help="data for the comparison; with --allow-remote, by default the validation or training data of the config",
        )
        add_no_cache_option(parser)
        parser.set_defaults(func=_run)

    def validate(self, args: argparse.Namespace) -> None:
        """Check the paths before slow imports."""
        check_archive(args.archive_file, args.weights_file)
        folder = args.output_dir
        if os.path.exists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
            raise ConfigurationError(f"--output-dir: {folder}: expected a new or an empty folder")


def _run(args: argparse.Namespace) -> None:
    from nlpreg.commands.export.exporting import export_archive

    report = export_archive(**arguments_for(export_archive, args))
    for name, difference in report["largest_differences"].items():
        print(f"{name}: equal to the model's, the largest difference {difference:.1e}")
    print(f"sizes compared: {', '.join(' x '.join(map(str, size)) for size in report['sizes'])}")
    print(os.path.join(args.output_dir, report["program"]))
