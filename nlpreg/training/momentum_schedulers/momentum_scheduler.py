"""`MomentumScheduler`, the base class of the momentum schedulers."""

import torch

from nlpreg.common import Registrable
from nlpreg.training.scheduler import Scheduler


class MomentumScheduler(Scheduler, Registrable):
    """Changes the momentum of an optimizer over a run.

    Args:
        optimizer: its `momentum` values are changed; given by the trainer, never in a config.
        last_epoch: -1 to start.

    Raises:
        KeyError: the optimizer has no momentum.
    """

    constructor_extras = frozenset(["optimizer"])

    def __init__(self, optimizer: torch.optim.Optimizer, last_epoch: int = -1) -> None:
        super().__init__(optimizer, "momentum", last_epoch)
