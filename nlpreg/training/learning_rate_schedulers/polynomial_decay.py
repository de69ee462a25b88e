"""Polynomial decay of the learning rate after a linear warm-up."""

import torch

from nlpreg.common.checks import ConfigurationError, check_at_least
from nlpreg.training.learning_rate_schedulers.learning_rate_scheduler import (
    LearningRateScheduler,
    UpdateScheduler,
)


@LearningRateScheduler.register("polynomial_decay")
class PolynomialDecay(UpdateScheduler):
    """Rises linearly from 0 for `warmup_steps` updates, then falls to `end_learning_rate` at the end of the run.

    Args:
        optimizer: given by the trainer.
        num_epochs: number of epochs of the run; given by the trainer.
        num_steps_per_epoch: number of updates of an epoch; given by the trainer where the data loader knows it.
        power: exponent of the polynomial; 1 for a straight line.
        warmup_steps: number of updates of the rise.
        end_learning_rate: the rate after the last update.
        last_epoch: -1 to start.

    Raises:
        ConfigurationError: `warmup_steps` is negative, or the number of updates of an epoch is unknown.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_epochs: int,
        num_steps_per_epoch: int | None,
        power: float = 1.0,
        warmup_steps: int = 0,
        end_learning_rate: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        check_at_least(0, warmup_steps=warmup_steps)
        super().__init__(optimizer, last_epoch)
        if num_steps_per_epoch is None:
            raise ConfigurationError(
                f"{type(self).__name__}: the number of steps of an epoch is unknown, because the data loader has no "
                "length; set `batches_per_epoch` on the data loader, or `num_steps_per_epoch` on the scheduler"
            )
        self.power = power
        self.warmup_steps = warmup_steps
        self.total_steps = num_epochs * num_steps_per_epoch
        self.end_learning_rate = end_learning_rate
        self._set_values()

    def get_values(self) -> list[float]:
        """The rates at the current update."""
        if self.steps < self.warmup_steps:
            return [base * self.steps / self.warmup_steps for base in self.base_values]
        if self.steps >= self.total_steps:
            return [self.end_learning_rate for _ in self.base_values]
        left = (self.total_steps - self.steps) / (self.total_steps - self.warmup_steps)
        end = self.end_learning_rate
        return [left**self.power * (base - end) + end for base in self.base_values]
