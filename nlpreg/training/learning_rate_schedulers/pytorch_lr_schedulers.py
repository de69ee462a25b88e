"""The schedules of torch, and the warm-up schedules that the transformers library made popular.

All of them go by epochs: the trainer steps them once after each epoch, so the "steps" of the warm-up schedules are
epochs too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, Union

import torch
from torch.optim import lr_scheduler as torch_schedulers

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.learning_rate_schedulers.learning_rate_scheduler import LearningRateScheduler

TorchScheduler = Union[torch_schedulers.LRScheduler, torch_schedulers.ReduceLROnPlateau]


class _PyTorchLearningRateSchedulerWrapper(LearningRateScheduler):
    """Forwards to a schedule of torch.

    Args:
        lr_scheduler: that schedule, already tied to its optimizer.
    """

    def __init__(self, lr_scheduler: TorchScheduler) -> None:
        self.lr_scheduler = lr_scheduler
        self.optimizer = lr_scheduler.optimizer

    def get_values(self) -> list[float]:
        """The learning rates as torch's schedule set them last."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def step(self, metric: float | None = None) -> None:
        """Note that an epoch is over."""
        self.lr_scheduler.step()  # type: ignore[call-arg]  # only ReduceLROnPlateau wants a metric

    def state_dict(self) -> dict[str, Any]:
        """The state of torch's schedule."""
        return self.lr_scheduler.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self.lr_scheduler.load_state_dict(state_dict)


class _FactorScheduler(_PyTorchLearningRateSchedulerWrapper):
    """The initial rates times a factor that follows from the number of finished epochs."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, factor: Callable[[int], float], last_epoch: int
    ) -> None:
        super().__init__(torch_schedulers.LambdaLR(optimizer, lr_lambda=factor, last_epoch=last_epoch))


def _warmup(epoch: int, num_warmup_steps: int) -> float:
    return epoch / max(1, num_warmup_steps)


def _progress(epoch: int, num_warmup_steps: int, num_training_steps: int) -> float:
    return (epoch - num_warmup_steps) / max(1, num_training_steps - num_warmup_steps)


@LearningRateScheduler.register("constant")
class ConstantLearningRateScheduler(_FactorScheduler):
    """The configured rates, always.

    Args:
        optimizer: given by the trainer.
        last_epoch: -1 to start.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, last_epoch: int = -1) -> None:
        super().__init__(optimizer, lambda epoch: 1.0, last_epoch)


@LearningRateScheduler.register("constant_with_warmup")
class ConstantWithWarmupLearningRateScheduler(_FactorScheduler):
    """Rises linearly from 0, then stays.

    Args:
        optimizer: given by the trainer.
        num_warmup_steps: number of epochs of the rise.
        last_epoch: -1 to start.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, num_warmup_steps: int, last_epoch: int = -1) -> None:
        def factor(epoch: int) -> float:
            return min(1.0, _warmup(epoch, num_warmup_steps))

        super().__init__(optimizer, factor, last_epoch)


@LearningRateScheduler.register("cosine_with_warmup")
class CosineWithWarmupLearningRateScheduler(_FactorScheduler):
    """Rises linearly from 0, then follows a cosine.

    Args:
        optimizer: given by the trainer.
        num_warmup_steps: number of epochs of the rise.
        num_training_steps: number of epochs in all.
        num_cycles: number of waves; half a wave falls to 0 at the end.
        last_epoch: -1 to start.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_warmup_steps: int,
        num_training_steps: int,
        num_cycles: float = 0.5,
        last_epoch: int = -1,
    ) -> None:
        def factor(epoch: int) -> float:
            if epoch < num_warmup_steps:
                return _warmup(epoch, num_warmup_steps)
            done = _progress(epoch, num_warmup_steps, num_training_steps)
            return max(0.0, 0.5 * (1.0 + math.cos(math.pi * num_cycles * 2.0 * done)))

        super().__init__(optimizer, factor, last_epoch)


@LearningRateScheduler.register("cosine_hard_restarts_with_warmup")
class CosineHardRestartsWithWarmupLearningRateScheduler(_FactorScheduler):
    """Rises linearly from 0, then falls along a cosine several times, each time from the top.

    Args:
        optimizer: given by the trainer.
        num_warmup_steps: number of epochs of the rise.
        num_training_steps: number of epochs in all.
        num_cycles: number of falls.
        last_epoch: -1 to start.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_warmup_steps: int,
        num_training_steps: int,
        num_cycles: int = 1,
        last_epoch: int = -1,
    ) -> None:
        def factor(epoch: int) -> float:
            if epoch < num_warmup_steps:
                return _warmup(epoch, num_warmup_steps)
            done = _progress(epoch, num_warmup_steps, num_training_steps)
            if done >= 1.0:
                return 0.0
            return max(0.0, 0.5 * (1.0 + math.cos(math.pi * ((num_cycles * done) % 1.0))))

        super().__init__(optimizer, factor, last_epoch)


@LearningRateScheduler.register("step")
class StepLearningRateScheduler(_PyTorchLearningRateSchedulerWrapper):
    """Multiplies the rates by `gamma` every `step_size` epochs.

    Args:
        optimizer: given by the trainer.
        step_size: number of epochs between two changes.
        gamma: the factor.
        last_epoch: -1 to start.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        super().__init__(torch_schedulers.StepLR(optimizer, step_size, gamma, last_epoch))


@LearningRateScheduler.register("multi_step")
class MultiStepLearningRateScheduler(_PyTorchLearningRateSchedulerWrapper):
    """Multiplies the rates by `gamma` after certain epochs.

    Args:
        optimizer: given by the trainer.
        milestones: numbers of finished epochs at which the rates change, rising.
        gamma: the factor.
        last_epoch: -1 to start.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        milestones: list[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(torch_schedulers.MultiStepLR(optimizer, milestones, gamma, last_epoch))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`, in which torch's counter of milestones may have become a plain dictionary."""
        super().load_state_dict({**state_dict, "milestones": Counter(state_dict["milestones"])})


@LearningRateScheduler.register("exponential")
class ExponentialLearningRateScheduler(_PyTorchLearningRateSchedulerWrapper):
    """Multiplies the rates by `gamma` after every epoch.

    Args:
        optimizer: given by the trainer.
        gamma: the factor.
        last_epoch: -1 to start.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, gamma: float = 0.1, last_epoch: int = -1) -> None:
        super().__init__(torch_schedulers.ExponentialLR(optimizer, gamma, last_epoch))


@LearningRateScheduler.register("reduce_on_plateau")
class ReduceOnPlateauLearningRateScheduler(_PyTorchLearningRateSchedulerWrapper):
    """Multiplies the rates by `factor` when the validation metric has not improved for `patience` epochs.

    The trainer hands over a score of which higher is better (for the metric `-loss`, minus the loss) and says what
    the metric is. `mode` then only says in which form torch compares it, which matters for relative thresholds: as
    it is (`max`), or with its sign turned so that lower is better (`min`). Either way an improvement of the metric
    counts as one. By default the form follows the sign of the metric: `min` for `-loss`, `max` for `+accuracy`.

    Used without a trainer, without `validation_metric`, it is torch's own: `step` takes the number itself, and
    `mode` is `min` by default.

    Args:
        optimizer: given by the trainer.
        mode: see above.
        factor: what the rates are multiplied by.
        patience: number of epochs without improvement that are let pass.
        verbose: accepted for old configs; torch no longer prints anything.
        threshold_mode: whether `threshold` is a share of the best value or a difference from it.
        threshold: how much better counts as better.
        cooldown: number of epochs after a change in which nothing is counted.
        min_lr: lower bound of the rates, one for all groups or one for each.
        eps: changes smaller than this are not made.
        validation_metric: the metric behind the score; given by the trainer.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        mode: Literal["min", "max"] | None = None,
        factor: float = 0.1,
        patience: int = 10,
        verbose: bool = False,
        threshold_mode: Literal["rel", "abs"] = "rel",
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
        validation_metric: str | list[str] | None = None,
    ) -> None:
        mode = mode or _mode_of(validation_metric)
        super().__init__(
            torch_schedulers.ReduceLROnPlateau(
                optimizer,
                mode=mode,
                factor=factor,
                patience=patience,
                threshold=threshold,
                threshold_mode=threshold_mode,
                cooldown=cooldown,
                min_lr=min_lr,
                eps=eps,
            )
        )
        self._turns_sign = validation_metric is not None and mode == "min"

    def step(self, metric: float | None = None) -> None:
        """Note that an epoch is over.

        Args:
            metric: the validation score.

        Raises:
            ConfigurationError: there is no score.
        """
        if metric is None:
            raise ConfigurationError(
                "learning_rate_scheduler: reduce_on_plateau needs a validation metric after every epoch and got none; "
                "give validation data, validate in every epoch, or choose another scheduler"
            )
        score = -metric if self._turns_sign else metric
        self.lr_scheduler.step(score)  # type: ignore[arg-type]  # the union with schedules that take an epoch


def _mode_of(validation_metric: str | list[str] | None) -> Literal["min", "max"]:
    if validation_metric is None:
        return "min"
    names = [validation_metric] if isinstance(validation_metric, str) else validation_metric
    return "min" if all(name.startswith("-") for name in names) else "max"
