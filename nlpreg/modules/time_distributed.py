"""A module applied to every timestep, by folding time into the batch."""

from typing import Any

import torch
from torch import Tensor


class TimeDistributed(torch.nn.Module):
    """Applies a module for batches to a batch of sequences.

    The first two dimensions of every input are folded into one, and those of the output are unfolded again.

    Args:
        module: the module to apply; the names of its weights start with `_module`.

    Shape:
        inputs (B, T, ...) -> (B, T, ...).
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self._module = module

    @property
    def module(self) -> torch.nn.Module:
        """The module that is applied at every time step."""
        return self._module

    def forward(self, *inputs: Any, pass_through: list[str] | None = None, **kwargs: Any) -> Any:
        """Call the module.

        Args:
            inputs: positional arguments; tensors among them are folded.
            pass_through: names of keyword arguments to pass unchanged.
            kwargs: keyword arguments; tensors among them are folded unless `pass_through` names them.

        Returns:
            The module's tensor, unfolded; a list of them if it returns several.

        Raises:
            RuntimeError: a tensor to fold has fewer than three dimensions, or there is no tensor at all.
        """
        skipped = pass_through or ()
        named = {name: value for name, value in kwargs.items() if name not in skipped}
        sizes = [value.shape[:2] for value in (*inputs, *named.values()) if isinstance(value, Tensor)]
        if not sizes:
            raise RuntimeError("TimeDistributed needs at least one tensor whose time can be folded, got none")
        leading = sizes[-1]  # (B, T)
        folded = {name: _fold(value) for name, value in named.items()}
        outputs = self._module(*map(_fold, inputs), **{**kwargs, **folded})
        if isinstance(outputs, Tensor):
            return outputs.reshape(*leading, *outputs.shape[1:])
        return [output.reshape(*leading, *output.shape[1:]) for output in outputs]


def _fold(value: Any) -> Any:
    """A tensor (B, T, ...) as (B * T, ...); anything else as it is."""
    if not isinstance(value, Tensor):
        return value
    if value.dim() <= 2:
        raise RuntimeError(
            f"expected a batch of sequences with 3 or more dimensions, got {tuple(value.shape)}"
        )
    return value.flatten(0, 1)
