"""`nlpreg count-instances`: the number of training instances of a config."""

import argparse

from nlpreg.commands.options import add_config_argument, add_overrides_option, check_file, read_config
from nlpreg.commands.subcommand import Subcommand


@Subcommand.register("count-instances")
class CountInstances(Subcommand):
    """Print the number of training instances of one epoch."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        add_config_argument(parser)
        add_overrides_option(parser)
        parser.set_defaults(func=count_instances_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check the path before slow modules are imported."""
        check_file(args.param_path, "CONFIG")


def count_instances_from_args(args: argparse.Namespace) -> int:
    """Run the command with parsed arguments; also return the number."""
    from nlpreg.training.util import data_loaders_from_params

    params = read_config(args.param_path, args.overrides)
    loaders = data_loaders_from_params(params, train=True, validation=False, test=False)
    count = sum(1 for _ in loaders["train"].iter_instances())
    print(count)
    return count
