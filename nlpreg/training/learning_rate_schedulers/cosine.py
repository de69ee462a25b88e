"""Cosine annealing with warm restarts."""

import logging
import math

import torch

from nlpreg.common.checks import check_at_least
from nlpreg.training.learning_rate_schedulers.learning_rate_scheduler import LearningRateScheduler

logger = logging.getLogger(__name__)


@LearningRateScheduler.register("cosine")
class CosineWithRestarts(LearningRateScheduler):
    """Falls along half a cosine, jumps back up and falls again, by epochs.

    Args:
        optimizer: given by the trainer.
        t_initial: number of epochs of the first fall.
        t_mul: factor of the number of epochs from one fall to the next.
        eta_min: the lowest rate.
        eta_mul: factor of the initial rate from one fall to the next.
        last_epoch: -1 to start.

    Raises:
        ConfigurationError: `t_initial` is not positive, or `eta_min` is negative.

    Source: Loshchilov and Hutter (2017), https://arxiv.org/abs/1608.03983
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        t_initial: int,
        t_mul: float = 1.0,
        eta_min: float = 0.0,
        eta_mul: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        check_at_least(1, t_initial=t_initial)
        check_at_least(0, eta_min=eta_min)
        if t_initial == 1 and t_mul == 1 and eta_mul == 1:
            logger.warning(
                "cosine scheduler: with t_initial, t_mul and eta_mul all 1 the learning rate never changes"
            )
        super().__init__(optimizer, last_epoch)
        self.t_initial = t_initial
        self.t_mul = t_mul
        self.eta_min = eta_min
        self.eta_mul = eta_mul
        self._restarts = 0
        self._epochs_since_restart = 0

    def step(self, metric: float | None = None) -> None:
        """End an epoch: set the rates of the next one."""
        self._epochs_since_restart += 1
        if self._epochs_since_restart % self._cycle_length() == 0:
            self._restarts += 1
            self._epochs_since_restart = 0
        super().step(metric)

    def get_values(self) -> list[float]:
        """The rates at the current epoch."""
        if self.last_epoch == -1:
            return self.base_values
        phase = math.pi * self._epochs_since_restart / self._cycle_length()
        tops = [base * self.eta_mul**self._restarts for base in self.base_values]
        return [self.eta_min + (top - self.eta_min) / 2 * (math.cos(phase) + 1) for top in tops]

    def _cycle_length(self) -> int:
        return max(1, int(self.t_initial * self.t_mul**self._restarts))
