"""`LearningRateScheduler`, the base class of the learning rate schedulers, and `UpdateScheduler` for those per update."""

import torch

from nlpreg.common import Registrable
from nlpreg.training.scheduler import Scheduler


class LearningRateScheduler(Scheduler, Registrable):
    """Changes the learning rates of an optimizer over a run.

    Args:
        optimizer: its `lr` values are changed; given by the trainer, never in a config.
        last_epoch: -1 to start.
    """

    constructor_extras = frozenset(
        ["num_epochs", "num_steps_per_epoch", "num_training_steps", "optimizer", "validation_metric"]
    )

    def __init__(self, optimizer: torch.optim.Optimizer, last_epoch: int = -1) -> None:
        super().__init__(optimizer, "lr", last_epoch)


class UpdateScheduler(LearningRateScheduler):
    """A scheduler whose learning rates are a function of the number of the update; subclasses implement `get_values`.

    Args:
        optimizer: its `lr` values are changed; given by the trainer, never in a config.
        last_epoch: -1 to start.

    Attributes:
        steps: number of the current update, from 1; 0 before the first.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch)
        self.steps = 0

    def step(self, metric: float | None = None) -> None:
        """Do nothing: the end of an epoch does not change the rates."""

    def step_batch(self, batch_num_total: int | None = None) -> None:
        """Set the rates of update number `batch_num_total`, or of the next one."""
        self.steps = self.steps + 1 if batch_num_total is None else batch_num_total
        self._set_values()
