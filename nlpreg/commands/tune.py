"""`nlpreg tune`: hyperparameter search."""

import argparse

from nlpreg.commands import options
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, check_at_least


@Subcommand.register("tune")
class Tune(Subcommand):
    """Search for values of some keys of a config that make the validation best.

    Each trial is a run in a folder below DIR; one that does worse than the others is ended early. The same command
    resumes a search that was interrupted; started several times, it searches in several processes. Needs the package
    optuna.

    examples:
      nlpreg tune config.jsonnet space.jsonnet -s out/ --trials 20
      nlpreg tune config.jsonnet space.jsonnet -s out/ --trials 20 --parallel 2 --storage postgresql://user@host/studies

    space.jsonnet:
      {
        'model.dropout': { type: 'float', low: 0, high: 0.5 },
        'trainer.optimizer.lr': { type: 'float', low: 1e-4, high: 1e-2, log: true },
        'model.encoder.num_layers': { type: 'int', low: 1, high: 3 },
        'model.encoder.type': ['lstm', 'gru'],
      }
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        options.add_config_argument(parser)
        parser.add_argument(
            "space", metavar="SPACE", help="what to search, Jsonnet: dotted key -> its values"
        )
        options.add_serialization_dir_option(parser, "folder for the trials and their table")
        parser.add_argument(
            "-n",
            "--trials",
            type=int,
            default=20,
            metavar="N",
            help="number of trials in all, earlier ones included",
        )
        parser.add_argument(
            "--parallel", type=int, default=1, metavar="N", help="number of trials to train at a time"
        )
        parser.add_argument(
            "--metric",
            metavar="METRIC",
            help="the metric to optimize, such as +accuracy; by default the trainer's validation_metric",
        )
        parser.add_argument("--no-pruning", action="store_true", help="train every trial to its end")
        parser.add_argument(
            "--storage",
            metavar="URL",
            help="storage of the Optuna study; by default DIR/study.db, in SQLite",
        )
        parser.add_argument(
            "--study", default="nlpreg", metavar="NAME", help="name of the study in the storage"
        )
        parser.add_argument(
            "-r",
            "--recover",
            action="store_true",
            help="resume the study, which must exist; without this option, it may exist",
        )
        parser.add_argument(
            "-f", "--force", action="store_true", help="delete the study and its trials in DIR first"
        )
        parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of the search")
        options.add_callback_option(parser)
        options.add_overrides_option(parser)
        options.add_no_cache_option(parser)
        parser.set_defaults(func=_run)

    def validate(self, args: argparse.Namespace) -> None:
        """Check paths and numbers before slow modules are imported."""
        if args.recover and args.force:
            raise ConfigurationError(
                "--recover resumes a study and --force deletes it; give only one of them"
            )
        options.check_file(args.param_path, "CONFIG")
        options.check_file(args.space, "SPACE")
        check_at_least(1, **{"--trials": args.trials, "--parallel": args.parallel})


def _run(args: argparse.Namespace) -> None:
    from nlpreg.commands.runs.tuning import tune_from_args

    tune_from_args(args)
