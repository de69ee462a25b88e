"""One update from several batches, weighted by their targets: the same gradient as one large batch."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch import distributed as dist

from nlpreg.training.gradients import scale_gradients
from nlpreg.training.protocols import ModelOutputs


class Accumulation:
    """Weighs the losses of the batches of one update.

    The weight of a batch is its number of targets, `batch_weight` in the outputs of the model, or 1 where the model
    reports none. It is known only after the forward pass, so each loss is multiplied by its weight before the
    backward pass, and the gradients are divided by the sum of all weights once at the end. A single batch in a single
    process needs neither. Losses that are sums over their batch are added up instead, each with its share of the penalty.

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
        self._weight: Tensor | None = None
        self._losses: list[Tensor] = []
        self._reg_losses: list[Tensor] = []
        self._weights: list[Tensor] = []
        self.needs_scaling = False

    def weigh(self, outputs: ModelOutputs) -> Tensor:
        """The loss to run backward: times its weight, where that matters."""
        self.needs_scaling = not self._is_trivial
        loss: Tensor = outputs["loss"]
        if self._is_trivial:
            return loss
        if self._loss_is_sum:
            return self._without_surplus(loss, outputs)
        return loss * self._weight_of(outputs)

    def note(self, outputs: ModelOutputs) -> None:
        """Take in the outputs of a batch, for the loss of the update."""
        loss = self._without_surplus(outputs["loss"], outputs) if self._loss_is_sum else outputs["loss"]
        self._losses.append(loss.detach())
        if outputs.get("reg_loss") is not None:
            self._reg_losses.append(outputs["reg_loss"].detach())
        if not self._is_trivial:
            self._weights.append(self._weight_of(outputs))

    def finish(self, parameters: Iterable[nn.Parameter]) -> tuple[Tensor, Tensor | None]:
        """Divide the gradients by the sum of the weights, those of all processes.

        Returns:
            The weighted mean (or the sum) of the losses over all batches of the update, and the penalty, as 0-d tensors.
        """
        penalty = torch.stack(self._reg_losses).mean() if self._reg_losses else None
        if self._is_trivial:
            return self._losses[0], penalty
        weights = torch.stack(self._weights)
        sums = torch.stack([(torch.stack(self._losses) * weights).sum(), weights.sum()])
        if self._world_size > 1:
            dist.all_reduce(sums)
        if self._loss_is_sum:
            if self.needs_scaling and self._world_size > 1:
                scale_gradients(parameters, sums.new_full((), self._world_size))
            return sums[0], penalty
        total = sums[1].clamp(min=torch.finfo(sums.dtype).tiny)
        if self.needs_scaling:
            scale_gradients(
                parameters, self._world_size / total
            )  # the backward pass took the mean over processes
        return sums[0] / total, penalty

    def _without_surplus(self, loss: Tensor, outputs: ModelOutputs) -> Tensor:
        """A loss with its share of the penalty: each was given the whole."""
        penalty = outputs.get("reg_loss")
        return loss if penalty is None else loss - penalty * (1 - 1 / self._num_losses)

    def _weight_of(self, outputs: ModelOutputs) -> Tensor:
        loss: Tensor = outputs["loss"]
        weight = outputs.get("batch_weight")
        if weight is None or self._loss_is_sum:
            return loss.new_ones((), dtype=torch.float32)
        return torch.as_tensor(weight, device=loss.device).detach().float().reshape(())
