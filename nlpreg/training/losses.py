"""Losses of batches: their weights in one update, and their sum over an epoch.

If the model reports `batch_weight`, the number of targets that a loss is the mean of, losses are weighted by it wherever
they are averaged: over the batches of an update, the updates of an epoch, the batches of a validation or evaluation, and
the processes of a distributed run. An average loss therefore does not depend on how the data are batched.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch import distributed as dist

from nlpreg.training.communicator import Communicator
from nlpreg.training.gradients import scale_gradients
from nlpreg.training.protocols import ModelOutputs

_MAX_PENDING = 1000


class NonFiniteLossError(ValueError):
    """A loss or a weight is NaN or infinite; training cannot continue."""


class UpdateLoss(NamedTuple):
    """The loss of one update.

    Attributes:
        loss: weighted mean (or the sum) over all batches of the update, penalty included, 0-d.
        penalty: the regularization penalty alone, 0-d; None for a model without one.
        weight: sum of the weights of the batches, 0-d; None if the model reports none and each batch has weight 1.
    """

    loss: Tensor
    penalty: Tensor | None
    weight: Tensor | None


class Accumulation:
    """One update from several batches, weighted by their targets: the gradient is that of a single large batch.

    The weight of a batch is known only after the forward pass, so each loss is multiplied by its weight before the
    backward pass, and at the end the gradients are divided once by the sum of all weights. A single batch in a single
    process needs neither. Losses that are sums over their batch are added, each with its share of the penalty.

    Args:
        num_batches: number of batches of this update in this process.
        world_size: number of processes, whose gradients are averaged by the backward pass.
        loss_is_sum: whether losses are sums over the targets of their batch, not means.
    """

    def __init__(self, num_batches: int, world_size: int = 1, loss_is_sum: bool = False) -> None:
        self._num_losses = num_batches * world_size
        self._loss_is_sum = loss_is_sum
        self._is_trivial = num_batches == 1 and world_size == 1
        self._world_size = world_size
        self._losses: list[Tensor] = []
        self._penalties: list[Tensor] = []
        self._weights: list[Tensor] = []
        self._reports_weight = False
        self.needs_scaling = False

    def weigh(self, outputs: ModelOutputs) -> Tensor:
        """The loss for the backward pass: multiplied by its weight if the update has several batches or processes."""
        self.needs_scaling = not self._is_trivial
        loss: Tensor = outputs["loss"]
        if self._is_trivial:
            return loss
        if self._loss_is_sum:
            return self._with_penalty_share(loss, outputs)
        return loss * self._weight_of(outputs)

    def record(self, outputs: ModelOutputs) -> None:
        """Record the loss, penalty and weight of a batch, from which `finish` computes the loss of the update."""
        loss = self._with_penalty_share(outputs["loss"], outputs) if self._loss_is_sum else outputs["loss"]
        self._losses.append(loss.detach())
        self._reports_weight = outputs.get("batch_weight") is not None and not self._loss_is_sum
        if outputs.get("reg_loss") is not None:
            self._penalties.append(outputs["reg_loss"].detach())
        if self._reports_weight or not self._is_trivial:
            self._weights.append(self._weight_of(outputs))

    def finish(self, parameters: Iterable[nn.Parameter]) -> UpdateLoss:
        """Divide the gradients by the sum of the weights of all processes, and return the loss of the update."""
        penalty = torch.stack(self._penalties).mean() if self._penalties else None
        if self._is_trivial:
            return UpdateLoss(self._losses[0], penalty, self._weights[0] if self._weights else None)
        weights = torch.stack(self._weights)  # (batches,)
        losses = torch.stack(self._losses)
        # A batch without targets may have a loss of NaN, which must not affect the sum: 0 * NaN is NaN.
        sums = torch.stack([torch.where(weights > 0, losses * weights, 0.0).sum(), weights.sum()])
        if self._world_size > 1:
            dist.all_reduce(sums)
        reported = sums[1] if self._reports_weight else None
        if self._loss_is_sum:
            if self.needs_scaling and self._world_size > 1:
                scale_gradients(parameters, sums.new_full((), self._world_size))
            return UpdateLoss(sums[0], penalty, reported)
        total = sums[1].clamp(min=torch.finfo(sums.dtype).tiny)
        if self.needs_scaling:
            # DDP divided the sum over the processes by their number in the backward pass
            scale_gradients(parameters, self._world_size / total)
        return UpdateLoss(sums[0] / total, penalty, reported)

    def _with_penalty_share(self, loss: Tensor, outputs: ModelOutputs) -> Tensor:
        """A loss with its share of the penalty; the trainer added the whole penalty to the loss of each batch."""
        penalty = outputs.get("reg_loss")
        return loss if penalty is None else loss - penalty * (1 - 1 / self._num_losses)

    def _weight_of(self, outputs: ModelOutputs) -> Tensor:
        weight = None if self._loss_is_sum else weight_of(outputs)
        device = outputs["loss"].device
        if weight is None:
            return torch.ones((), device=device)
        return torch.as_tensor(weight, device=device, dtype=torch.float32)


def weight_of(outputs: ModelOutputs, key: str = "batch_weight") -> Tensor | float | None:
    """The number of targets that the loss of a batch is a mean over; None if the model does not report it."""
    weight = outputs.get(key)  # some models give a number, some a tensor of one element
    return weight.detach().reshape(()) if isinstance(weight, Tensor) else weight


class RunningLoss:
    """The loss over an epoch, from the losses of its updates or batches.

    On a GPU, losses are read only on demand, or when a thousand are pending, because each read synchronizes with the
    device. On a CPU every loss is read and checked at once.

    Args:
        where: description of the losses for messages, such as "epoch 3".
        check: whether a loss that is not finite is an error.
        loss_is_sum: whether losses are sums over the targets of their batch, which add up; otherwise they are
            averaged with their weights.
        has_penalty: whether there are penalties; by default if one was added.
    """

    def __init__(
        self,
        where: str = "",
        check: bool = True,
        loss_is_sum: bool = False,
        has_penalty: bool | None = None,
    ) -> None:
        self.where = where
        self._has_penalty = has_penalty
        self._check = check
        self._loss_is_sum = loss_is_sum
        self._sums = {"loss": 0.0, "reg_loss": 0.0}
        self._last: dict[str, float] = {}
        self._weight = 0.0
        self._count = 0
        self._pending: list[UpdateLoss] = []

    @property
    def count(self) -> int:
        """Number of losses so far."""
        return self._count + len(self._pending)

    def add(self, loss: Tensor, penalty: Tensor | None = None, weight: Tensor | float | None = None) -> None:
        """Add the loss of one update or batch.

        Args:
            loss: 0-d tensor, the penalty included.
            penalty: 0-d tensor, the penalty alone.
            weight: weight of the loss in the mean; 1 by default.

        Raises:
            NonFiniteLossError: a loss is NaN or infinite.
        """
        weight = None if self._loss_is_sum else weight
        if loss.device.type == "cpu":
            value = None if penalty is None else penalty.item()
            self._record(loss.item(), value, 1.0 if weight is None else float(weight))
            return
        penalty = None if penalty is None else penalty.detach()
        weight = None if weight is None else torch.as_tensor(weight)
        self._pending.append(UpdateLoss(loss.detach(), penalty, weight))
        if len(self._pending) >= _MAX_PENDING:
            self.read()

    def read(self) -> None:
        """Read the pending losses; synchronizes with the device.

        Raises:
            NonFiniteLossError: a loss is NaN or infinite.
        """
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        # one transfer from the device for all losses, not one for each
        losses = _numbers([item.loss for item in pending])
        penalties = iter(_numbers([item.penalty for item in pending if item.penalty is not None]))
        weights = iter(_numbers([item.weight for item in pending if item.weight is not None]))
        for item, loss in zip(pending, losses, strict=True):
            penalty = None if item.penalty is None else next(penalties)
            self._record(loss, penalty, 1.0 if item.weight is None else next(weights))

    def _record(self, loss: float, penalty: float | None, weight: float) -> None:
        self._count += 1
        if weight > 0 and self._check and not math.isfinite(loss):
            raise NonFiniteLossError(
                f"the loss of {self.where}, batch {self._count}, is {loss}; no checkpoint was made since. "
                "Try a lower learning rate or `grad_norm`, or find the cause with `detect_anomaly: true`"
            )
        self._weight += weight
        for name, value in (("loss", loss), ("reg_loss", penalty)):
            if value is not None:
                # the loss of a batch without targets is meaningless and may be NaN
                self._sums[name] += value * weight if weight > 0 else 0.0
                self._last[name] = value

    @property
    def total(self) -> float:
        """Weighted sum of the losses."""
        self.read()
        return self._sums["loss"]

    @property
    def total_penalty(self) -> float | None:
        """Weighted sum of the penalties; None without any."""
        self.read()
        has_penalty = "reg_loss" in self._last if self._has_penalty is None else self._has_penalty
        return self._sums["reg_loss"] if has_penalty else None

    @property
    def weight(self) -> float:
        """The divisor of the sums: the sum of the weights; 1 for losses that are sums over their batch."""
        self.read()
        return float(self._count > 0) if self._loss_is_sum else self._weight

    @property
    def last(self) -> float | None:
        """The latest loss."""
        self.read()
        return self._last.get("loss")

    @property
    def last_penalty(self) -> float | None:
        """The latest penalty; None without any."""
        self.read()
        return self._last.get("reg_loss")

    def sums_of_all(self, communicator: Communicator) -> tuple[float, float | None, float, int]:
        """The sum of the losses, of the penalties (None without any), their weight, and the number of losses.

        Args:
            communicator: that of the processes whose losses are added up.
        """
        penalty = self.total_penalty
        if communicator.size == 1:
            return self.total, penalty, self.weight, self.count
        numbers = [self.total, penalty or 0.0, self._weight, float(self.count)]
        sums = torch.tensor(numbers, dtype=torch.float64, device=communicator.device)
        dist.all_reduce(sums)
        total, penalties, weight, count = sums.tolist()
        weight = float(count > 0) if self._loss_is_sum else weight
        return total, None if penalty is None else penalties, weight, int(count)

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        self.read()
        return {
            "sums": dict(self._sums),
            "last": dict(self._last),
            "weight": self._weight,
            "count": self._count,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`; in an older one without `weight`, each loss had the weight 1."""
        self._sums = dict(state_dict["sums"])
        self._last = dict(state_dict["last"])
        self._count = state_dict["count"]
        self._weight = state_dict.get("weight", float(self._count))
        self._pending = []


def _numbers(tensors: list[Tensor]) -> list[float]:
    """The values of 0-d tensors, read in one transfer."""
    if len(tensors) < 2:
        return [float(tensor) for tensor in tensors]
    return torch.stack([tensor.double() for tensor in tensors]).tolist()
