"""`nlpreg train`: from a config to a trained model."""

from __future__ import annotations

import argparse
from typing import Any

from nlpreg.commands.options import (
    add_config_argument,
    add_file_friendly_option,
    add_no_cache_option,
    add_overrides_option,
    check_file,
)
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

DESCRIPTION = """
Train the model that a config describes, and pack it as model.tar.gz with its vocabulary and config.
The folder gets the config, a full log, checkpoints, and metrics as JSON.
"""

EPILOG = """
examples:
  nlpreg train config.jsonnet -s out/
  nlpreg train config.jsonnet -s out/ -f -o '{"trainer.num_epochs": 3}'
  nlpreg train config.jsonnet -s out/ -r          go on after an interruption
"""


@Subcommand.register("train")
class Train(Subcommand):
    """Trains a model from a config."""

    def add_subparser(self, parser: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser = self.new_parser(parser, DESCRIPTION, EPILOG)
        add_config_argument(subparser)
        subparser.add_argument(
            "-s",
            "--serialization-dir",
            required=True,
            metavar="DIR",
            help="folder for everything the run writes",
        )
        subparser.add_argument(
            "-r", "--recover", action="store_true", help="go on with the run in DIR from its last checkpoint"
        )
        subparser.add_argument("-f", "--force", action="store_true", help="delete DIR first if it exists")
        add_overrides_option(subparser)
        subparser.add_argument(
            "--node-rank",
            type=int,
            default=0,
            metavar="N",
            help="number of this machine in a run on several machines",
        )
        subparser.add_argument(
            "--dry-run",
            action="store_true",
            help="read the data, build vocabulary and model, save the vocabulary, and stop before training",
        )
        subparser.add_argument(
            "--detect-anomaly",
            action="store_true",
            help="stop at the operation that made a gradient NaN, and show it; slow",
        )
        add_no_cache_option(subparser)
        add_file_friendly_option(subparser)
        subparser.set_defaults(func=_run)
        return subparser

    def validate(self, args: argparse.Namespace) -> None:
        """Find a wrong path or contradicting options before anything slow is imported."""
        if args.recover and args.force:
            raise ConfigurationError(
                "--recover goes on with a run and --force deletes it; give only one of them"
            )
        check_file(args.param_path, "CONFIG")


def _run(args: argparse.Namespace) -> None:
    from nlpreg.commands.train.run import train_model_from_args

    train_model_from_args(args)
