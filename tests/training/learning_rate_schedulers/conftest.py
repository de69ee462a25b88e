import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from nlpreg.common import Params
from nlpreg.training.learning_rate_schedulers import LearningRateScheduler


@pytest.fixture
def optimizer() -> torch.optim.Optimizer:
    """One with two groups, of rates 1 and 0.5."""
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [parameters[0]], "lr": 1.0}, {"params": [parameters[1]], "lr": 0.5}]
    return torch.optim.SGD(groups, lr=1.0)


@pytest.fixture
def build(optimizer: torch.optim.Optimizer) -> Callable[..., LearningRateScheduler]:
    """Builds a scheduler from a config as the trainer does, for 3 epochs of 10 updates."""

    def make(config: str | dict[str, Any], **extras: Any) -> LearningRateScheduler:
        params = Params({"type": config} if isinstance(config, str) else copy.deepcopy(config))
        extras = {"optimizer": optimizer, "num_epochs": 3, "num_steps_per_epoch": 10, **extras}
        return LearningRateScheduler.from_params(params, **extras)

    return make


@pytest.fixture
def rates_by_epoch(optimizer: torch.optim.Optimizer) -> Callable[..., list[float]]:
    """The rate of the first group before the first epoch and after each."""

    def follow(
        scheduler: LearningRateScheduler, epochs: int, scores: list[float] | None = None
    ) -> list[float]:
        rates = [optimizer.param_groups[0]["lr"]]
        for epoch in range(epochs):
            scheduler.step(scores[epoch] if scores else None)
            assert optimizer.param_groups[1]["lr"] == pytest.approx(optimizer.param_groups[0]["lr"] / 2)
            rates.append(optimizer.param_groups[0]["lr"])
        return rates

    return follow


@pytest.fixture
def rates_by_update(optimizer: torch.optim.Optimizer) -> Callable[..., list[float]]:
    """The rate of the first group before the first update and in each."""

    def follow(scheduler: LearningRateScheduler, updates: int, steps_per_epoch: int = 10) -> list[float]:
        rates = [optimizer.param_groups[0]["lr"]]
        for update in range(1, updates + 1):
            scheduler.step_batch(update)
            rates.append(optimizer.param_groups[0]["lr"])
            if update % steps_per_epoch == 0:
                scheduler.step()
        return rates

    return follow
