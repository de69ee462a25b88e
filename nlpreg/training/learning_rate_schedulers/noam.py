"""The learning rate schedule of the original transformer."""

import torch

from nlpreg.training.learning_rate_schedulers.learning_rate_scheduler import (
    LearningRateScheduler,
    UpdateScheduler,
)


@LearningRateScheduler.register("noam")
class NoamLR(UpdateScheduler):
    """Rises linearly for `warmup_steps` updates, then falls with the inverse square root of the number of the update.

    Every parameter group gets the same rate; the `lr` of the optimizer has no effect.

    Args:
        optimizer: given by the trainer.
        model_size: width of the model.
        warmup_steps: number of updates of the rise.
        factor: multiplies the rate.
        last_epoch: -1 to start.

    Source: Vaswani et al. (2017), section 5.3, https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model_size: int,
        warmup_steps: int,
        factor: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(optimizer, last_epoch)
        self.model_size = model_size
        self.warmup_steps = warmup_steps
        self.factor = factor

    def get_values(self) -> list[float]:
        """The same rate for every group."""
        step = max(self.steps, 1)
        rate: float = (
            self.factor * self.model_size**-0.5 * min(step**-0.5, step * max(self.warmup_steps, 1) ** -1.5)
        )
        return [rate for _ in self.base_values]
