"""Number formats of a training step: full precision, or automatic mixed precision with a scaled loss."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor

HalfDtype = Literal["bfloat16", "float16"]


class Precision:
    """Runs the forward pass in half precision where that is asked for, and scales float16 losses against underflow.

    Args:
        device: where the model is.
        use_amp: whether to use half precision at all.
        dtype: which one; by default float16 on GPUs and bfloat16 on CPUs.
        scaler: scales the loss; None with bfloat16, whose range needs no scaling.
    """

    def __init__(
        self,
        device: torch.device,
        use_amp: bool,
        dtype: HalfDtype | None = None,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        self.device_type = device.type
        self.use_amp = use_amp
        self.dtype = half_dtype(device, dtype)
        self.scaler = scaler
        self._is_unscaled = False

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of a forward pass."""
        if not self.use_amp:
            return nullcontext()
        return torch.autocast(self.device_type, dtype=self.dtype)

    def backward(self, loss: Tensor) -> None:
        """Compute gradients, scaled if there is a scaler."""
        loss = loss if self.scaler is None else self.scaler.scale(loss)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotations here
        self._is_unscaled = False

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring the gradients back to their true size, once a step."""
        if self.scaler is not None and not self._is_unscaled:
            self.scaler.unscale_(optimizer)
            self._is_unscaled = True

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the parameters; with a scaler, unless a gradient overflowed."""
        if self.scaler is None:
            optimizer.step()
            return
        self.scaler.step(optimizer)
        self.scaler.update()
        self._is_unscaled = False


def half_dtype(device: torch.device, dtype: HalfDtype | None) -> torch.dtype:
    """The half precision type to use on a device."""
    if dtype is None:
        return torch.bfloat16 if device.type == "cpu" else torch.float16
    return torch.bfloat16 if dtype == "bfloat16" else torch.float16
