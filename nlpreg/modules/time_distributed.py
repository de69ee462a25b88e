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
        skipped = frozenset(pass_through or ())
        example: Tensor | None = None
        folded_inputs = []
        for value in inputs:
            if isinstance(value, Tensor):
                example = value
                value = _fold(value)
            folded_inputs.append(value)
        folded_kwargs = {}
        for name, value in kwargs.items():
            if isinstance(value, Tensor) and name not in skipped:
                example = value
                value = _fold(value)
            folded_kwargs[name] = value
        if example is None:
            raise RuntimeError("TimeDistributed needs at least one tensor whose time can be folded, got none")

        # (B, T)
        leading = example.shape[:2]
        outputs = self._module(*folded_inputs, **folded_kwargs)
        if isinstance(outputs, Tensor):
            return outputs.reshape(*leading, *outputs.shape[1:])
        return [output.reshape(*leading, *output.shape[1:]) for output in outputs]


def _fold(tensor: Tensor) -> Tensor:
    if tensor.dim() <= 2:
        raise RuntimeError(
            f"expected a batch of sequences with 3 or more dimensions, got {tuple(tensor.shape)}"
        )
    # (B, T, ...) -> (B * T, ...)
    return tensor.flatten(0, 1)
