"""Learning rates by updates, as large language models are trained: a linear rise, then a cosine or a plateau."""

import math

import torch

from nlpreg.common.checks import ConfigurationError, check_at_least, check_share
from nlpreg.training.learning_rate_schedulers.learning_rate_scheduler import LearningRateScheduler


class WarmupSchedule(LearningRateScheduler):
    """A schedule by updates that begins with a linear rise; subclasses write `factor_after_warmup`.

    Args:
        optimizer: given by the trainer.
        num_training_steps: number of updates of the run; given by the trainer where it is known.
        warmup_steps: number of updates of the rise from 0.
        min_factor: the share of the optimizer's learning rate that is left at the end of the run, from 0 to 1.
        num_steps: number of updates of the run, in place of the trainer's.
        last_epoch: -1 to start.

    Raises:
        ConfigurationError: the number of updates is unknown, or not above `warmup_steps`.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_training_steps: int | None = None,
        warmup_steps: int = 0,
        min_factor: float = 0.0,
        num_steps: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        check_at_least(0, warmup_steps=warmup_steps)
        check_at_least(1, num_steps=num_steps)
        check_share(min_factor=min_factor)
        super().__init__(optimizer, last_epoch)
        total = num_steps or num_training_steps
        if total is None:
            raise ConfigurationError(
                f"{type(self).__name__}: the number of updates of the run is unknown, because the data loader has no length; "
                "set `max_steps` of the trainer, or `num_steps` of the scheduler"
            )
        if total <= warmup_steps:
            raise ConfigurationError(
                f"warmup_steps: expected fewer than the updates of the run, {total}, got {warmup_steps}"
            )
        self.warmup_steps = warmup_steps
        self.total_steps = total
        self.min_factor = min_factor
        self.steps = 0
        self._set_values()

    def factor_after_warmup(self, step: int) -> float:
        """The share of the optimizer's learning rate at an update from `warmup_steps` to `total_steps`."""
        raise NotImplementedError

    def step(self, metric: float | None = None) -> None:
        """Nothing: the rates go by updates."""

    def step_batch(self, batch_num_total: int | None = None) -> None:
        """Set the rates of update number `batch_num_total`, or of the next one."""
        self.steps = self.steps + 1 if batch_num_total is None else batch_num_total
        self._set_values()

    def get_values(self) -> list[float]:
        """The rates at the present update."""
        if self.steps < self.warmup_steps:
            factor = self.steps / self.warmup_steps
        else:
            factor = self.factor_after_warmup(min(self.steps, self.total_steps))
        return [base * factor for base in self.base_values]


@LearningRateScheduler.register("warmup_cosine")
class WarmupCosine(WarmupSchedule):
    """Rises linearly for `warmup_steps` updates, then falls along half a cosine until the end of the run.

    Args:
        optimizer: given by the trainer.
        num_training_steps: number of updates of the run; given by the trainer where it is known.
        warmup_steps: number of updates of the rise from 0.
        min_factor: the share of the optimizer's learning rate that is left at the end of the run, from 0 to 1.
        num_steps: number of updates of the run, in place of the trainer's.
        last_epoch: -1 to start.

    Source: Loshchilov and Hutter (2017), https://arxiv.org/abs/1608.03983, without restarts
    """

    def factor_after_warmup(self, step: int) -> float:
        """See `WarmupSchedule.factor_after_warmup`."""
        done = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        return self.min_factor + (1 - self.min_factor) * 0.5 * (1 + math.cos(math.pi * done))


@LearningRateScheduler.register("warmup_stable_decay")
class WarmupStableDecay(WarmupSchedule):
    """Rises linearly for `warmup_steps` updates, stays, and falls linearly in the last `decay_steps` updates.

    Args:
        optimizer: given by the trainer.
        num_training_steps: number of updates of the run; given by the trainer where it is known.
        warmup_steps: number of updates of the rise from 0.
        min_factor: the share of the optimizer's learning rate that is left at the end of the run, from 0 to 1.
        num_steps: number of updates of the run, in place of the trainer's.
        last_epoch: -1 to start.
        decay_steps: number of updates of the fall; a tenth of all if None.

    Raises:
        ConfigurationError: there are fewer updates than those of rise and fall.

    Source: Hu et al. (2024), https://arxiv.org/abs/2404.06395
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_training_steps: int | None = None,
        warmup_steps: int = 0,
        min_factor: float = 0.0,
        num_steps: int | None = None,
        last_epoch: int = -1,
        decay_steps: int | None = None,
    ) -> None:
        check_at_least(1, decay_steps=decay_steps)
        self.decay_steps = decay_steps or 1
        super().__init__(optimizer, num_training_steps, warmup_steps, min_factor, num_steps, last_epoch)
        self.decay_steps = decay_steps or max(1, self.total_steps // 10)
        if warmup_steps + self.decay_steps > self.total_steps:
            raise ConfigurationError(
                f"decay_steps: expected at most the updates after the rise, {self.total_steps - warmup_steps}, "
                f"got {self.decay_steps}"
            )

    def factor_after_warmup(self, step: int) -> float:
        """See `WarmupSchedule.factor_after_warmup`."""
        left = min(1.0, (self.total_steps - step) / self.decay_steps)
        return self.min_factor + (1 - self.min_factor) * left
