"""The sums of the losses of an epoch, which let the device run ahead and still notice when a loss is not finite."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

_MOST_PENDING = 1000


class NonFiniteLossError(ValueError):
    """A loss or a weight is NaN or infinite, so that training on makes no sense."""


class RunningLoss:
    """Adds up losses that are tensors on a device, and reads them only when somebody wants a number.

    On a CPU reading costs nothing, so every loss is read, and checked, as it comes; on other devices at the latest
    after a thousand.

    Args:
        where: what the losses are of, for messages, as in "epoch 3".
        check: whether a loss that is not finite is an error.
    """

    def __init__(self, where: str = "", check: bool = True) -> None:
        self.where = where
        self.check = check
        self._sums = {"loss": 0.0, "reg_loss": 0.0}
        self._last: dict[str, float] = {}
        self._count = 0
        self._pending: list[tuple[Tensor, Tensor | None]] = []

    @property
    def count(self) -> int:
        """Number of losses so far."""
        return self._count + len(self._pending)

    def add(self, loss: Tensor, reg_loss: Tensor | None = None) -> None:
        """Take in the loss of one update or batch.

        Args:
            loss: 0-d tensor, the penalty included.
            reg_loss: 0-d tensor, the penalty alone.

        Raises:
            NonFiniteLossError: a loss is NaN or infinite.
        """
        self._pending.append((loss.detach(), None if reg_loss is None else reg_loss.detach()))
        if loss.device.type == "cpu" or len(self._pending) >= _MOST_PENDING:
            self.read()

    def read(self) -> RunningLoss:
        """Read what is pending; waits for the device.

        Raises:
            NonFiniteLossError: a loss is NaN or infinite.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return self
        for number, value in enumerate(_numbers([loss for loss, _ in pending]), start=self._count + 1):
            if self.check and not math.isfinite(value):
                raise NonFiniteLossError(
                    f"the loss of {self.where}, batch {number}, is {value}; no checkpoint was made since. "
                    "Try a lower learning rate or `grad_norm`, or find the cause with `detect_anomaly: true`"
                )
            self._sums["loss"] += value
            self._last["loss"] = value
        for value in _numbers([reg_loss for _, reg_loss in pending if reg_loss is not None]):
            self._sums["reg_loss"] += value
            self._last["reg_loss"] = value
        self._count += len(pending)
        return self

    @property
    def total(self) -> float:
        """Sum of the losses."""
        return self.read()._sums["loss"]

    @property
    def total_reg(self) -> float:
        """Sum of the penalties."""
        return self.read()._sums["reg_loss"]

    @property
    def last(self) -> float | None:
        """The latest loss."""
        return self.read()._last.get("loss")

    @property
    def last_reg(self) -> float | None:
        """The latest penalty; None if there never was one."""
        return self.read()._last.get("reg_loss")

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        self.read()
        return {"sums": dict(self._sums), "last": dict(self._last), "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self._sums = dict(state_dict["sums"])
        self._last = dict(state_dict["last"])
        self._count = state_dict["count"]
        self._pending = []


def _numbers(tensors: list[Tensor]) -> list[float]:
    """The values of 0-d tensors, read in one go."""
    if len(tensors) < 2:
        return [float(tensor) for tensor in tensors]
    return torch.stack([tensor.float() for tensor in tensors]).tolist()
