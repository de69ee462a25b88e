"""`nlpreg test-install`: whether everything can be imported, and what is there."""

import argparse
import importlib
import importlib.util
import os
import platform

from nlpreg.commands.subcommand import Subcommand, SubParsers
from nlpreg.version import VERSION

DESCRIPTION = "Import every part of nlpreg, and print versions, the number of GPUs and which optional packages there are."

PARTS = ("common", "nn", "data", "modules", "training", "models", "predictors", "evaluation", "commands")
_OPTIONAL = (
    "transformers",
    "spacy",
    "h5py",
    "fsspec",
    "datasets",
    "nltk",
    "matplotlib",
    "tensorboard",
    "wandb",
)


@Subcommand.register("test-install")
class TestInstall(Subcommand):
    """Checks the installation."""

    __test__ = False  # no test case, whatever pytest thinks of the name

    def add_subparser(self, parser: SubParsers) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser = self.new_parser(parser, DESCRIPTION)
        subparser.set_defaults(func=test_install_from_args)
        return subparser


def test_install_from_args(args: argparse.Namespace) -> None:
    """Import every part, and print what is installed."""
    import torch

    import nlpreg

    for part in PARTS:
        importlib.import_module(f"nlpreg.{part}")
    present = [name for name in _OPTIONAL if importlib.util.find_spec(name) is not None]
    print(f"nlpreg {VERSION} in {os.path.dirname(nlpreg.__file__)}")
    print(f"Python {platform.python_version()}, torch {torch.__version__}, GPUs: {torch.cuda.device_count()}")
    print(f"optional packages: {', '.join(present) or 'none'}")
    print("everything could be imported")


test_install_from_args.__test__ = False  # type: ignore[attr-defined]
