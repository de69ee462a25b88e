"""`nlpreg diff`: what differs between two configs, two runs, or two sets of weights."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

if TYPE_CHECKING:
    from nlpreg.commands.checkpoint_diff import Insert, Keep, Modify, Remove, checkpoint_diff

__all__ = ["Diff", "Insert", "Keep", "Modify", "Remove", "checkpoint_diff"]

DESCRIPTION = """
Compare two configs (.jsonnet, .json), two runs (folders), or two sets of weights (.th, or model.tar.gz).
For configs and runs: what differs, by key path, and the metrics side by side. For weights: the parameters in order,
" " the same, "+" only in the second, "-" only in the first, "!" changed, with the distance.
"""

EPILOG = """
examples:
  nlpreg diff out/first out/second
  nlpreg diff a.jsonnet b.jsonnet
  nlpreg diff out/first/model.tar.gz out/second/model.tar.gz
"""

WEIGHTS_SUFFIXES = (".th", ".pt", ".bin", ".tar.gz")


@Subcommand.register("diff")
class Diff(Subcommand):
    """Compares configs, runs or weights."""

    requires_plugins: ClassVar[bool] = False

    def add_subparser(self, parser: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser = self.new_parser(parser, DESCRIPTION, EPILOG)
        subparser.add_argument(
            "checkpoint1", metavar="FIRST", help="a config, a run's folder, weights or an archive"
        )
        subparser.add_argument("checkpoint2", metavar="SECOND", help="the same kind of thing")
        subparser.add_argument(
            "--strip-prefix-1", metavar="P", help="weights: take this off the names in FIRST"
        )
        subparser.add_argument(
            "--strip-prefix-2", metavar="P", help="weights: take this off the names in SECOND"
        )
        subparser.add_argument(
            "--scale",
            type=float,
            default=1.0,
            metavar="X",
            help="weights: factor of the distance (root mean square)",
        )
        subparser.add_argument(
            "--threshold",
            type=float,
            default=1e-5,
            metavar="X",
            help="weights: largest distance that counts as the same",
        )
        subparser.set_defaults(func=_run)
        return subparser

    def validate(self, args: argparse.Namespace) -> None:
        """Make sure that two things of one kind are given."""
        for path in (args.checkpoint1, args.checkpoint2):
            if "://" not in path and not os.path.exists(os.path.expanduser(path.split("!")[0])):
                raise ConfigurationError(f"{path}: there is no such file or folder")
        if _are_weights(args.checkpoint1) != _are_weights(args.checkpoint2):
            raise ConfigurationError(
                f"diff: {args.checkpoint1} and {args.checkpoint2} are of different kinds; give two configs, two folders "
                "of runs, or two files of weights (.th) or archives (.tar.gz)"
            )


def _are_weights(path: str) -> bool:
    return path.endswith(WEIGHTS_SUFFIXES) or "!" in path


def _run(args: argparse.Namespace) -> None:
    if not _are_weights(args.checkpoint1):
        from nlpreg.commands.run_diff import diff_runs

        print(diff_runs(args.checkpoint1, args.checkpoint2))
        return
    from nlpreg.commands.checkpoint_diff import checkpoint_diff, read_checkpoint

    steps = checkpoint_diff(
        read_checkpoint(args.checkpoint1, args.strip_prefix_1),
        read_checkpoint(args.checkpoint2, args.strip_prefix_2),
        args.scale,
        args.threshold,
    )
    is_colored = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for step in steps:
        step.display(is_colored)


def __getattr__(name: str) -> Any:
    """The functions that need torch, which is imported when one is asked for."""
    if name in __all__:
        from nlpreg.commands import checkpoint_diff as parts

        return getattr(parts, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
