"""`nlpreg train`: from a config to a trained model, in one process or several."""

import importlib
from typing import TYPE_CHECKING, Any

from nlpreg.commands.train.command import Train

if TYPE_CHECKING:
    from nlpreg.commands.train.experiment import TrainModel
    from nlpreg.commands.train.run import train_model, train_model_from_args, train_model_from_file

__all__ = ["Train", "TrainModel", "train_model", "train_model_from_args", "train_model_from_file"]

# `nlpreg train --help` needs no torch.
_HOMES = {
    "TrainModel": "nlpreg.commands.train.experiment",
    "train_model": "nlpreg.commands.train.run",
    "train_model_from_args": "nlpreg.commands.train.run",
    "train_model_from_file": "nlpreg.commands.train.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
