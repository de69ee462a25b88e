"""torch's learning rate schedulers, registered from a table, and schedules with a warm-up.

Most of them step once after each epoch: what torch and transformers call a step or an iteration is an epoch here. With
`"interval": "batch"` it is an update.
"""

import inspect
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union

import torch
from torch.optim import lr_scheduler as torch_schedulers

from nlpreg.common.checks import ConfigurationError, ConfigurationValueError, check_at_least, check_share
from nlpreg.common.config.describe import snake_case
from nlpreg.nn.torch_parts import TorchPart, set_constructor
from nlpreg.training.learning_rate_schedulers.learning_rate_scheduler import (
    LearningRateScheduler,
    UpdateScheduler,
)

TorchScheduler = Union[torch_schedulers.LRScheduler, torch_schedulers.ReduceLROnPlateau]
Interval = Literal["epoch", "batch"]

_OPTIMIZER = inspect.Parameter(
    "optimizer", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=torch.optim.Optimizer
)
_INTERVAL_DOC = "whether a step of the schedule is an epoch or a batch, that is, an update of the weights."


class _PyTorchLearningRateSchedulerWrapper(LearningRateScheduler):
    """Steps a scheduler of torch after each epoch or after each update.

    Args:
        lr_scheduler: torch's scheduler, constructed with its optimizer.
        interval: when to step it.
    """

    def __init__(self, lr_scheduler: TorchScheduler, interval: Interval = "epoch") -> None:
        self.lr_scheduler = lr_scheduler
        self.optimizer = lr_scheduler.optimizer
        self.interval = interval
        self._updates_begun = 0

    def get_values(self) -> list[float]:
        """The learning rates that torch's scheduler set last."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def step(self, metric: float | None = None) -> None:
        """End an epoch."""
        if self.interval == "epoch":
            self._step()

    def step_batch(self, batch_num_total: int | None = None) -> None:
        """Set the rates of update number `batch_num_total`, or of the next one."""
        if self.interval == "epoch":
            return
        self._updates_begun = self._updates_begun + 1 if batch_num_total is None else batch_num_total
        # torch's constructor has set the rates of the first update, and `last_epoch` counts finished updates.
        if self._updates_begun - 1 > self.lr_scheduler.last_epoch:
            self._step()

    def state_dict(self) -> dict[str, Any]:
        """The state of torch's scheduler."""
        return self.lr_scheduler.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`."""
        # A checkpoint has plain values only, so `MultiStepLR`'s counter of milestones was saved as a dictionary.
        counters = {
            key: Counter(state_dict[key])
            for key, value in vars(self.lr_scheduler).items()
            if isinstance(value, Counter)
        }
        self.lr_scheduler.load_state_dict({**state_dict, **counters})
        self._updates_begun = self.lr_scheduler.last_epoch + 1

    def _step(self) -> None:
        self.lr_scheduler.step()  # type: ignore[call-arg]  # only ReduceLROnPlateau takes a metric


def register_torch(
    name: str,
    cls: type[torch_schedulers.LRScheduler],
    class_name: str | None = None,
    *,
    defaults: Mapping[str, Any] | None = None,
    interval: Interval = "epoch",
) -> type[LearningRateScheduler]:
    """Register a learning rate scheduler of torch.

    The registered class wraps an object of torch's class, and takes its options with torch's defaults. The numbers of
    epochs and of steps per epoch, where torch's class takes them, are those of the trainer.

    Args:
        name: registered name.
        cls: torch's class.
        class_name: name of the registered class; by default that of torch's class.
        defaults: default values that differ from torch's.
        interval: the default of the option `interval`.
    """
    names_of_the_trainer = {"epochs": "num_epochs", "steps_per_epoch": "num_steps_per_epoch"}
    part = TorchPart.of(cls, skip=("optimizer",), defaults=defaults, renamed=names_of_the_trainer)
    assert part is not None, f"{cls} needs more than a config can give"
    names_of_torch = {ours: theirs for theirs, ours in names_of_the_trainer.items()}
    first_docs = {"optimizer": "given by the trainer."}
    made = type(
        class_name or cls.__name__,
        (_PyTorchLearningRateSchedulerWrapper,),
        {"__module__": __name__, "__doc__": part.docstring(first_docs, {"interval": _INTERVAL_DOC})},
    )

    def construct(self: Any, options: dict[str, Any]) -> None:
        interval = options.pop("interval")
        try:
            schedule = cls(**{names_of_torch.get(key, key): value for key, value in options.items()})
        except ValueError as error:
            raise ConfigurationValueError(f"learning_rate_scheduler {name}: {error}") from error
        _PyTorchLearningRateSchedulerWrapper.__init__(self, schedule, interval)

    last = inspect.Parameter(
        "interval", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=interval, annotation=Interval
    )
    set_constructor(made, construct, part.signature(first=[_OPTIMIZER], last=[last]))
    LearningRateScheduler.register(name)(made)
    return made


StepLearningRateScheduler = register_torch("step", torch_schedulers.StepLR, "StepLearningRateScheduler")
MultiStepLearningRateScheduler = register_torch(
    "multi_step", torch_schedulers.MultiStepLR, "MultiStepLearningRateScheduler"
)
ExponentialLearningRateScheduler = register_torch(
    "exponential", torch_schedulers.ExponentialLR, "ExponentialLearningRateScheduler", defaults={"gamma": 0.1}
)


class _FactorScheduler(_PyTorchLearningRateSchedulerWrapper):
    """Multiplies the initial rates by a factor that rises linearly from 0, and then is a function of the share done."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_warmup_steps: int,
        num_training_steps: int,
        shape: Callable[[float], float],
        last_epoch: int,
        interval: Interval = "epoch",
    ) -> None:
        def factor(step: int) -> float:
            if step < num_warmup_steps:
                return step / num_warmup_steps
            return shape((step - num_warmup_steps) / max(1, num_training_steps - num_warmup_steps))

        schedule = torch_schedulers.LambdaLR(optimizer, lr_lambda=factor, last_epoch=last_epoch)
        super().__init__(schedule, interval)


def _half_cosine(periods: float) -> float:
    """1 at 0, 0 at half a period."""
    return max(0.0, 0.5 * (1.0 + math.cos(2.0 * math.pi * periods)))


@LearningRateScheduler.register("constant")
class ConstantLearningRateScheduler(_FactorScheduler):
    """Keeps the learning rates constant.

    Args:
        optimizer: given by the trainer.
        last_epoch: -1 to start.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, last_epoch: int = -1) -> None:
        super().__init__(optimizer, 0, 0, lambda done: 1.0, last_epoch)


@LearningRateScheduler.register("constant_with_warmup")
class ConstantWithWarmupLearningRateScheduler(_FactorScheduler):
    """Rises linearly from 0, then stays constant.

    Args:
        optimizer: given by the trainer.
        num_warmup_steps: number of steps of the rise.
        last_epoch: -1 to start.
        interval: whether a step is an epoch or a batch, that is, an update of the weights.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_warmup_steps: int,
        last_epoch: int = -1,
        interval: Interval = "epoch",
    ) -> None:
        super().__init__(optimizer, num_warmup_steps, 0, lambda done: 1.0, last_epoch, interval)


@LearningRateScheduler.register("cosine_with_warmup")
class CosineWithWarmupLearningRateScheduler(_FactorScheduler):
    """Rises linearly from 0, then follows a cosine.

    Args:
        optimizer: given by the trainer.
        num_warmup_steps: number of steps of the rise.
        num_training_steps: number of steps in all.
        num_cycles: number of cosine periods; half a period falls to 0 at the end.
        last_epoch: -1 to start.
        interval: whether a step is an epoch or a batch, that is, an update of the weights.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_warmup_steps: int,
        num_training_steps: int,
        num_cycles: float = 0.5,
        last_epoch: int = -1,
        interval: Interval = "epoch",
    ) -> None:
        def shape(done: float) -> float:
            return _half_cosine(num_cycles * done)

        super().__init__(optimizer, num_warmup_steps, num_training_steps, shape, last_epoch, interval)


@LearningRateScheduler.register("cosine_hard_restarts_with_warmup")
class CosineHardRestartsWithWarmupLearningRateScheduler(_FactorScheduler):
    """Rises linearly from 0, then falls along half a cosine several times, each time from the initial rate.

    Args:
        optimizer: given by the trainer.
        num_warmup_steps: number of steps of the rise.
        num_training_steps: number of steps in all.
        num_cycles: number of falls.
        last_epoch: -1 to start.
        interval: whether a step is an epoch or a batch, that is, an update of the weights.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_warmup_steps: int,
        num_training_steps: int,
        num_cycles: int = 1,
        last_epoch: int = -1,
        interval: Interval = "epoch",
    ) -> None:
        def shape(done: float) -> float:
            return 0.0 if done >= 1.0 else _half_cosine(num_cycles * done % 1.0 / 2)

        super().__init__(optimizer, num_warmup_steps, num_training_steps, shape, last_epoch, interval)


@LearningRateScheduler.register("reduce_lr_on_plateau")
@LearningRateScheduler.register("reduce_on_plateau")
class ReduceOnPlateauLearningRateScheduler(_PyTorchLearningRateSchedulerWrapper):
    """Multiplies the rates by `factor` when the validation metric has not improved for `patience` epochs.

    The trainer passes a score for which higher is better (for the metric `-loss`, minus the loss) and the name of the
    metric. `mode` only determines how torch compares scores, which matters for relative thresholds: unchanged (`max`), or
    negated so that lower is better (`min`). Either way an improvement of the metric counts as an improvement. By default
    the mode follows the sign of the metric: `min` for `-loss`, `max` for `+accuracy`.

    Without `validation_metric`, that is, without a trainer, it behaves like torch's class: `step` takes the value
    itself, and `mode` is `min` by default.

    Args:
        optimizer: given by the trainer.
        mode: see above.
        factor: factor of a reduction.
        patience: number of epochs without improvement before a reduction.
        verbose: accepted for old configs; torch no longer prints anything.
        threshold_mode: whether `threshold` is relative to the best value or an absolute difference from it.
        threshold: smallest change that counts as an improvement.
        cooldown: number of epochs after a reduction in which epochs without improvement do not count.
        min_lr: lower bound of the rates, one for all groups or one for each group.
        eps: smaller changes of a rate are not made.
        validation_metric: name of the metric; given by the trainer.
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
        self._negates_score = validation_metric is not None and mode == "min"

    def step(self, metric: float | None = None) -> None:
        """End an epoch.

        Args:
            metric: the validation score.

        Raises:
            ConfigurationError: there is no score.
        """
        if metric is None:
            raise ConfigurationError(
                "learning_rate_scheduler: reduce_on_plateau needs a validation metric after every epoch, but got none; "
                "give validation data, validate in every epoch, or choose another scheduler"
            )
        score = -metric if self._negates_score else metric
        self.lr_scheduler.step(score)  # type: ignore[arg-type]  # other schedulers take an epoch here


def _mode_of(validation_metric: str | list[str] | None) -> Literal["min", "max"]:
    if validation_metric is None:
        return "min"
    names = [validation_metric] if isinstance(validation_metric, str) else validation_metric
    return "min" if all(name.startswith("-") for name in names) else "max"


def _register_others() -> None:
    """Register torch's other schedulers under the names of their classes, such as `one_cycle_lr`.

    Those that take a function or other schedulers are excluded; `combined` runs one scheduler after another.
    """
    by_batch = (torch_schedulers.OneCycleLR, torch_schedulers.CyclicLR)  # their documentation requires it
    for class_name, cls in vars(torch_schedulers).items():
        if class_name.startswith("_") or not (
            isinstance(cls, type) and issubclass(cls, torch_schedulers.LRScheduler)
        ):
            continue
        name = snake_case(class_name)
        if cls is torch_schedulers.LRScheduler or name in LearningRateScheduler.list_available():
            continue
        if TorchPart.of(cls, skip=("optimizer",)) is not None:
            made = register_torch(name, cls, interval="batch" if cls in by_batch else "epoch")
            globals()[made.__name__] = made  # importable from its `__module__`


_register_others()


class WarmupSchedule(UpdateScheduler):
    """A schedule that begins with a linear rise; subclasses implement `factor_after_warmup`.

    Args:
        optimizer: given by the trainer.
        num_training_steps: number of updates of the run; given by the trainer where it is known.
        warmup_steps: number of updates of the rise from 0.
        min_factor: learning rate at the end of the run, as a share of the optimizer's, from 0 to 1.
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
        self._set_values()

    def factor_after_warmup(self, step: int) -> float:
        """The learning rate, as a share of the optimizer's, at an update from `warmup_steps` to `total_steps`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement factor_after_warmup")

    def get_values(self) -> list[float]:
        """The rates at the current update."""
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
        min_factor: learning rate at the end of the run, as a share of the optimizer's, from 0 to 1.
        num_steps: number of updates of the run, in place of the trainer's.
        last_epoch: -1 to start.

    Source: Loshchilov and Hutter (2017), https://arxiv.org/abs/1608.03983, without restarts
    """

    def factor_after_warmup(self, step: int) -> float:
        """See `WarmupSchedule.factor_after_warmup`."""
        progress = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        return self.min_factor + (1 - self.min_factor) * 0.5 * (1 + math.cos(math.pi * progress))


@LearningRateScheduler.register("warmup_stable_decay")
class WarmupStableDecay(WarmupSchedule):
    """Rises linearly for `warmup_steps` updates, stays constant, and falls linearly in the last `decay_steps` updates.

    Args:
        optimizer: given by the trainer.
        decay_steps: number of updates of the fall; by default a tenth of those of the run.
        **kwargs: arguments of `WarmupSchedule`.

    Raises:
        ConfigurationError: the run has fewer updates than rise and fall together.

    Source: Hu et al. (2024), https://arxiv.org/abs/2404.06395
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, decay_steps: int | None = None, *args: Any, **kwargs: Any
    ) -> None:
        check_at_least(1, decay_steps=decay_steps)
        self._decay_steps = decay_steps
        super().__init__(optimizer, *args, **kwargs)
        if self.warmup_steps + self.decay_steps > self.total_steps:
            raise ConfigurationError(
                f"decay_steps: expected at most the updates after the rise, {self.total_steps - self.warmup_steps}, "
                f"got {self.decay_steps}"
            )

    @property
    def decay_steps(self) -> int:
        """Number of updates of the fall."""
        return self._decay_steps or max(1, self.total_steps // 10)

    def factor_after_warmup(self, step: int) -> float:
        """See `WarmupSchedule.factor_after_warmup`."""
        remaining = min(1.0, (self.total_steps - step) / self.decay_steps)
        return self.min_factor + (1 - self.min_factor) * remaining
