"""Linear decay of the learning rate after a linear warm-up."""

import torch

from nlpreg.training.learning_rate_schedulers.learning_rate_scheduler import LearningRateScheduler
from nlpreg.training.learning_rate_schedulers.polynomial_decay import PolynomialDecay


@LearningRateScheduler.register("linear_with_warmup")
class LinearWithWarmup(PolynomialDecay):
    """Rises linearly from 0 for `warmup_steps` updates, then falls linearly to 0 at the end of the run.

    Args:
        optimizer: given by the trainer.
        num_epochs: number of epochs of the run; given by the trainer.
        num_steps_per_epoch: number of updates of an epoch; given by the trainer where the data loader knows it.
        warmup_steps: number of updates of the rise.
        last_epoch: -1 to start.

    Raises:
        ConfigurationError: the number of updates of an epoch is unknown.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_epochs: int,
        num_steps_per_epoch: int | None,
        warmup_steps: int = 100,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(
            optimizer,
            num_epochs,
            num_steps_per_epoch,
            power=1.0,
            warmup_steps=warmup_steps,
            end_learning_rate=0.0,
            last_epoch=last_epoch,
        )
