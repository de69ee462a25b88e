"""`nlpreg train`: from a config to a trained model."""

import argparse
import logging

from nlpreg.commands import options
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, check_at_least

logger = logging.getLogger(__name__)


@Subcommand.register("train")
class Train(Subcommand):
    """Train the model that a config describes, and pack it as model.tar.gz with its vocabulary and config.

    The folder gets the config, a full log, checkpoints, and metrics as JSON.

    examples:
      nlpreg train config.jsonnet -s out/
      nlpreg train config.jsonnet -s out/ -f -o '{"trainer.num_epochs": 3}'
      nlpreg train config.jsonnet -s out/ -r          resume an interrupted run
      nlpreg train config.jsonnet -s out/ --seeds 3
      nlpreg train config.jsonnet -s out/ --sweep model.dropout=0.1,0.3 --sweep trainer.optimizer.lr=1e-3,3e-3 --parallel 2
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        options.add_config_argument(parser)
        options.add_serialization_dir_option(parser, "folder for everything the run writes")
        parser.add_argument(
            "-r", "--recover", action="store_true", help="resume the run in DIR from its last checkpoint"
        )
        parser.add_argument(
            "-f",
            "--force",
            action="store_true",
            help="replace the run in DIR, once the first batch of this one works",
        )
        options.add_overrides_option(parser)
        parser.add_argument(
            "--node-rank",
            type=int,
            default=0,
            metavar="N",
            help="number of this machine in a run on several machines",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="read the data, build vocabulary and model, try a first batch, save the vocabulary, and stop before training",
        )
        parser.add_argument(
            "--detect-anomaly",
            action="store_true",
            help="stop at the operation that made a gradient NaN, and show it; slow",
        )
        options.add_callback_option(parser)
        _add_group_options(parser)
        options.add_no_cache_option(parser)
        options.add_file_friendly_option(parser)
        parser.set_defaults(func=_run)

    def validate(self, args: argparse.Namespace) -> None:
        """Check the path and the combination of options before slow modules are imported."""
        if args.recover and args.force:
            raise ConfigurationError("--recover resumes a run and --force deletes it; give only one of them")
        options.check_file(args.param_path, "CONFIG")
        _check_group_options(args)


def _is_group(args: argparse.Namespace) -> bool:
    """Whether the command line asks for several runs."""
    return bool(args.sweep or args.seeds or args.folds is not None)


def _add_group_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "several runs",
        "each in a folder of its own below DIR; a table, and DIR/runs.csv, compare them at the end",
    )
    group.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="KEY=A,B",
        help="train with each of these values of a key of the config; given more than once, with each combination",
    )
    group.add_argument(
        "--seeds",
        metavar="N",
        help="train with the seeds 1 to N, or with those given, as in 7,13; show mean and spread",
    )
    group.add_argument(
        "--folds",
        type=int,
        metavar="N",
        help="cross-validate: split the training data into N parts, and validate on each",
    )
    group.add_argument(
        "--parallel", type=int, default=1, metavar="N", help="number of runs to train at a time"
    )


def _check_group_options(args: argparse.Namespace) -> None:
    check_at_least(1, **{"--parallel": args.parallel})
    if not _is_group(args):
        if args.parallel > 1:
            raise ConfigurationError(
                "--parallel: expected --sweep, --seeds or --folds beside it; one run is one process"
            )
        return
    if args.seeds and args.folds is not None:
        raise ConfigurationError(
            "--seeds and --folds: expected one of them; for folds with another seed, use -o random_seed=N"
        )
    if args.dry_run or args.node_rank:
        raise ConfigurationError(
            "--dry-run and --node-rank are for single runs, not for --sweep, --seeds or --folds"
        )


def _run(args: argparse.Namespace) -> None:
    if _is_group(args):
        from nlpreg.commands.runs.training import train_group_from_args

        train_group_from_args(args)
        return
    logger.info("checking %s", args.param_path)  # importing torch takes seconds
    from nlpreg.commands.train.run import train_model_from_args

    train_model_from_args(args)
