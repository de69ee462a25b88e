"""Activation checkpointing: activations are recomputed in the backward pass."""

from functools import partial
from types import MethodType
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from nlpreg.common import Registrable


class CheckpointWrapper(Registrable):
    """Makes modules discard their activations and recompute them in the backward pass."""

    default_implementation = "torch"

    def wrap_module(self, module: torch.nn.Module, **kwargs: Any) -> torch.nn.Module:
        """Change a module.

        Args:
            module: the module.
            kwargs: options of the implementation.

        Returns:
            The module to use from now on.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement wrap_module")


@CheckpointWrapper.register("torch")
class TorchCheckpointWrapper(CheckpointWrapper):
    """Replaces a module's forward by one that checkpoints while the module is in training mode.

    The module stays the same object, so the names of its weights do not change.
    """

    def wrap_module(self, module: torch.nn.Module, **kwargs: Any) -> torch.nn.Module:
        """Change a module in place.

        Args:
            module: the module; it is best called with positional arguments.
            kwargs: options of `torch.utils.checkpoint.checkpoint`.
        """
        options = {"use_reentrant": False, **kwargs}
        # A bound method follows its module through deep copies.
        module.forward = MethodType(partial(_forward, options), module)
        return module


def _forward(options: dict[str, Any], module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
    forward = MethodType(type(module).forward, module)
    if not module.training:
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, **kwargs, **options)
