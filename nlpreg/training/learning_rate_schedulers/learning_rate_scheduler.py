"""`LearningRateScheduler`, the base class of the learning rate schedulers."""

from __future__ import annotations

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

    def get_values(self) -> list[float]:
        """The learning rates of the parameter groups at the present point of the run."""
        raise NotImplementedError
