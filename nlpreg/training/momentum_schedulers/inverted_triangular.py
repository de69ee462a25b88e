"""A momentum schedule that falls and rises linearly."""

import torch

from nlpreg.training.momentum_schedulers.momentum_scheduler import MomentumScheduler


@MomentumScheduler.register("inverted_triangular")
class InvertedTriangular(MomentumScheduler):
    """The momentum falls linearly to a share of itself, rises back and stays constant; set once per epoch.

    Args:
        optimizer: given by the trainer.
        cool_down: number of epochs of the fall.
        warm_up: number of epochs of the rise.
        ratio: the momentum is divided by this at the lowest point.
        last_epoch: -1 to start.

    Source: the counterpart of the slanted triangle of Howard and Ruder (2018), https://arxiv.org/abs/1801.06146
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        cool_down: int,
        warm_up: int,
        ratio: int = 10,
        last_epoch: int = -1,
    ) -> None:
        self.cool_down = cool_down
        self.warm_up = warm_up
        self.ratio = ratio
        super().__init__(optimizer, last_epoch)

    def get_values(self) -> list[float]:
        """The momentum of the groups after `last_epoch + 1` epochs."""
        epochs_done = self.last_epoch + 1
        if epochs_done <= 0 or epochs_done >= self.cool_down + self.warm_up:
            return self.base_values
        if epochs_done <= self.cool_down:
            share_left = 1 - epochs_done / self.cool_down
        else:
            share_left = (epochs_done - self.cool_down) / self.warm_up
        return [m / self.ratio + (m - m / self.ratio) * share_left for m in self.base_values]
