"""The base of activation checkpointing."""

from __future__ import annotations

from typing import Any

import torch

from nlpreg.common import Registrable


class CheckpointWrapper(Registrable):
    """Makes modules forget their activations, and compute them again in the backward pass."""

    default_implementation = "torch"

    def wrap_module(self, module: torch.nn.Module, **kwargs: Any) -> torch.nn.Module:
        """Change a module.

        Args:
            module: the module.
            kwargs: options of the implementation.

        Returns:
            The module to use from now on.
        """
        raise NotImplementedError
