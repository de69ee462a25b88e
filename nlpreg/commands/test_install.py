"""`nlpreg test-install`: import all of nlpreg, and print versions."""

import argparse
import importlib
import importlib.util
import os
import platform

from nlpreg.commands.subcommand import Subcommand
from nlpreg.version import VERSION

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
    """Import every part of nlpreg, and print versions, the number of GPUs and the optional packages that are installed."""

    __test__ = False  # not a test case, although its name begins with "Test"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.set_defaults(func=test_install_from_args)


def test_install_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments."""
    import torch

    import nlpreg

    for part in PARTS:
        importlib.import_module(f"nlpreg.{part}")
    present = [name for name in _OPTIONAL if importlib.util.find_spec(name) is not None]
    print(f"nlpreg {VERSION} in {os.path.dirname(nlpreg.__file__)}")
    print(f"Python {platform.python_version()}, torch {torch.__version__}, GPUs: {torch.cuda.device_count()}")
    print(f"optional packages: {', '.join(present) or 'none'}")
    print("everything could be imported")


test_install_from_args.__test__ = False  # type: ignore[attr-defined]  # so that pytest does not collect it
