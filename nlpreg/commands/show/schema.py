"""`nlpreg schema`: the JSON Schema of configs, for completion and checking in editors."""

import argparse
import json
from typing import Any

from nlpreg.commands.options import check_output_file, write_output
from nlpreg.commands.subcommand import Subcommand


@Subcommand.register("schema")
class Schema(Subcommand):
    """Write the JSON Schema (draft 2020-12) of everything that a config can contain, including plugins.

    Editors read it to complete names and to underline mistakes while you type; docs/configs.md explains how to enable
    this.

    examples:
      nlpreg schema -o nlpreg.schema.json
      nlpreg schema seq2seq_encoder                 of one section only
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("registry", nargs="?", help="such as model; the whole experiment if omitted")
        parser.add_argument("-o", "--output", metavar="FILE", help="write here instead of the console")
        parser.set_defaults(func=_run)

    def validate(self, args: argparse.Namespace) -> None:
        """Find a wrong path before anything slow is imported."""
        check_output_file(args.output)


def _run(args: argparse.Namespace) -> None:
    from nlpreg.common.config.describe import find_base
    from nlpreg.common.config.schema import registry_schema

    schema = whole_schema() if args.registry is None else registry_schema(find_base(args.registry))
    text = json.dumps(schema, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_output(args.output, text, f"{len(schema['$defs'])} definitions")


def whole_schema() -> dict[str, Any]:
    """The schema of an experiment, with a definition for every registry that a config may use."""
    from nlpreg.commands.check.checking import command_keys
    from nlpreg.commands.train.experiment import TrainModel
    from nlpreg.common.config.describe import registries
    from nlpreg.common.config.resolve import extras_of
    from nlpreg.common.config.schema import experiment_schema

    return experiment_schema(TrainModel, command_keys(), extras_of(TrainModel), registries().values())
