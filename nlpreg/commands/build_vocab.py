"""`nlpreg build-vocab`: the vocabulary of a config, as an archive that other configs can use."""

from __future__ import annotations

import argparse
import json
import os
import tempfile

from nlpreg.commands.configs import read_config
from nlpreg.commands.options import add_config_argument, add_overrides_option, check_file, check_folder_of
from nlpreg.commands.subcommand import Subcommand, SubParsers
from nlpreg.common.checks import ConfigurationError

DESCRIPTION = """
Build the vocabulary of a config without training, and pack its files into a .tar.gz that the section "vocabulary" of
other configs can name.
"""


@Subcommand.register("build-vocab")
class BuildVocab(Subcommand):
    """Builds a vocabulary."""

    def add_subparser(self, parser: SubParsers) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser = self.new_parser(parser, DESCRIPTION)
        add_config_argument(subparser)
        subparser.add_argument(
            "output_path", metavar="OUTPUT", help="the archive to write, ending in .tar.gz"
        )
        subparser.add_argument("-f", "--force", action="store_true", help="replace OUTPUT if it exists")
        add_overrides_option(subparser)
        subparser.set_defaults(func=build_vocab_from_args)
        return subparser

    def validate(self, args: argparse.Namespace) -> None:
        """Find wrong paths before anything slow is imported."""
        check_file(args.param_path, "CONFIG")
        check_folder_of(args.output_path)
        _check_output(args.output_path, args.force)


def build_vocab_from_args(args: argparse.Namespace) -> None:
    """Build the vocabulary that the command line names.

    Raises:
        ValueError: the output does not end in .tar.gz.
        RuntimeError: it exists.
    """
    from nlpreg.models.archival import pack
    from nlpreg.training.util import make_vocab_from_params

    _check_output(args.output_path, args.force)
    params = read_config(args.param_path, args.overrides)
    with tempfile.TemporaryDirectory() as folder:
        make_vocab_from_params(params, folder)
        vocabulary = os.path.join(folder, "vocabulary")
        names = [name for name in os.listdir(vocabulary) if name != ".lock"]
        pack(args.output_path, [(os.path.join(vocabulary, name), name) for name in names])
    section = {"type": "from_files", "directory": os.path.abspath(args.output_path)}
    print(
        f'vocabulary: {args.output_path}\nTo use it, put this into a config:\n"vocabulary": {json.dumps(section, indent=2)}'
    )


class _WrongOutputName(ConfigurationError, ValueError):
    """The output does not end in .tar.gz."""


class _OutputExists(ConfigurationError, RuntimeError):
    """There is such a file already."""


def _check_output(path: str, force: bool) -> None:
    if not path.endswith(".tar.gz"):
        raise _WrongOutputName(f"OUTPUT: expected a name ending in .tar.gz, got {path!r}")
    if os.path.exists(path) and not force:
        raise _OutputExists(f"OUTPUT: {path} exists; give another name, or -f to replace it")
