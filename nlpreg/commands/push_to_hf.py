"""`nlpreg push-to-hf`: a pointer to how a model gets onto the Hugging Face hub."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

__all__ = ["PushToHf"]

DESCRIPTION = """
Publishing is left to the hub's own tool; this command only prints the lines to run.
"""


@Subcommand.register("push-to-hf")
class PushToHf(Subcommand):
    """Says how to publish a model."""

    requires_plugins: ClassVar[bool] = False

    def add_subparser(self, parser: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser: argparse.ArgumentParser = parser.add_parser(
            self.name, help=self.summary, description=DESCRIPTION
        )
        subparser.add_argument(
            "-n", "--repo-name", required=True, metavar="REPO", help="name of the repository"
        )
        source = subparser.add_mutually_exclusive_group(required=True)
        source.add_argument("-s", "--serialization-dir", metavar="DIR", help="folder of a run")
        source.add_argument("-a", "--archive-path", metavar="ARCHIVE", help="a model.tar.gz")
        subparser.add_argument("-o", "--organization", metavar="ORG", help="organization to publish under")
        subparser.add_argument(
            "-c", "--commit-message", metavar="TEXT", default="Update", help="commit message"
        )
        subparser.add_argument("-l", "--local-repo-path", metavar="PATH", help="not needed any more")
        subparser.set_defaults(func=_refuse)
        return subparser


def _refuse(args: argparse.Namespace) -> None:
    repository = f"{args.organization}/{args.repo_name}" if args.organization else args.repo_name
    archive = args.archive_path or f"{args.serialization_dir.rstrip('/')}/model.tar.gz"
    raise ConfigurationError(
        "push-to-hf: nlpreg does not publish by itself. Run: pip install huggingface-hub && "
        f"hf upload {repository} {archive} model.tar.gz --commit-message {args.commit_message!r}"
    )
