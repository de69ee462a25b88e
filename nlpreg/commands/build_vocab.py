"""`nlpreg build-vocab`: build the vocabulary of a config as an archive that other configs can use."""

import argparse
import json
import os
import tempfile

from nlpreg.commands import options
from nlpreg.commands.subcommand import Subcommand


@Subcommand.register("build-vocab")
class BuildVocab(Subcommand):
    """Build the vocabulary of a config without training.

    Its files are packed into a .tar.gz that the section "vocabulary" of other configs can name.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        options.add_config_argument(parser)
        options.add_output_arguments(parser)
        options.add_overrides_option(parser)
        parser.set_defaults(func=build_vocab_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check paths before slow modules are imported."""
        options.check_file(args.param_path, "CONFIG")
        options.check_output(args)


def build_vocab_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments.

    Raises:
        ValueError: the name of the output does not end in .tar.gz.
        RuntimeError: the output exists.
    """
    from nlpreg.models.archival import pack
    from nlpreg.training.util import make_vocab_from_params

    options.check_output(args)
    params = options.read_config(args.param_path, args.overrides)
    with tempfile.TemporaryDirectory() as folder:
        make_vocab_from_params(params, folder)
        vocabulary = os.path.join(folder, "vocabulary")
        names = [name for name in os.listdir(vocabulary) if name != ".lock"]
        pack(args.output_path, [(os.path.join(vocabulary, name), name) for name in names])
    section = {"type": "from_files", "directory": os.path.abspath(args.output_path)}
    print(
        f'vocabulary: {args.output_path}\nTo use it, put this into a config:\n"vocabulary": {json.dumps(section, indent=2)}'
    )
