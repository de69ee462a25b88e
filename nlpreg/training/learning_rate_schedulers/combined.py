"""Several learning rate schedulers, one after another."""

from typing import Any

import torch

from nlpreg.common import Lazy
from nlpreg.training.learning_rate_schedulers.learning_rate_scheduler import LearningRateScheduler


@LearningRateScheduler.register("combined")
class CombinedLearningRateScheduler(LearningRateScheduler):
    """Runs several schedulers in sequence, each for a number of epochs.

    A scheduler is built when its phase begins: it starts from the current rates, and counts epochs and updates from the
    start of its phase. After the last phase the rates stay constant.

    Args:
        optimizer: given by the trainer.
        schedulers: pairs of a number of epochs and a scheduler, in order.
        num_steps_per_epoch: number of updates of an epoch; given by the trainer where the data loader knows it.
        last_epoch: -1 to start.
        validation_metric: name of the validation metric; given by the trainer.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        schedulers: list[tuple[int, Lazy[LearningRateScheduler]]],
        num_steps_per_epoch: int | None = None,
        last_epoch: int = -1,
        validation_metric: str | list[str] | None = None,
    ) -> None:
        super().__init__(optimizer, last_epoch)
        self.schedulers = schedulers
        self.num_steps_per_epoch = num_steps_per_epoch
        self.validation_metric = validation_metric
        self._steps_done = 0
        self._phase: int | None = None
        self._steps_before_phase = 0
        self._current: LearningRateScheduler | None = None
        self._enter_phase()

    @property
    def current_scheduler(self) -> LearningRateScheduler | None:
        """The scheduler of the current phase; None after the last one."""
        return self._current

    def step(self, metric: float | None = None) -> None:
        """End an epoch, and begin the next phase if this one is over."""
        self.last_epoch += 1
        self.metric = metric
        if self._current is not None:
            self._current.step(metric)
        self._enter_phase()

    def step_batch(self, batch_num_total: int | None = None) -> None:
        """Set the rates of update number `batch_num_total`, or of the next one."""
        self._steps_done = self._steps_done + 1 if batch_num_total is None else batch_num_total
        if self._current is not None:
            self._current.step_batch(self._steps_done - self._steps_before_phase)

    def get_values(self) -> list[float]:
        """Not available: the rates are those of `current_scheduler`."""
        raise NotImplementedError(
            "a combined scheduler has no values itself; use those of its `current_scheduler`"
        )

    def state_dict(self) -> dict[str, Any]:
        """The counters of this scheduler, and the state of the current one."""
        return {
            "last_epoch": self.last_epoch,
            "num_steps_per_epoch": self.num_steps_per_epoch,
            "steps_done": self._steps_done,
            "steps_before_phase": self._steps_before_phase,
            "current_scheduler": None if self._current is None else self._current.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`; the rates themselves are restored with the optimizer's state."""
        self.last_epoch = state_dict["last_epoch"]
        self.num_steps_per_epoch = state_dict["num_steps_per_epoch"]
        rates = [(group["lr"], group.get("initial_lr")) for group in self.optimizer.param_groups]
        self._enter_phase()
        if self._current is not None:
            self._current.load_state_dict(state_dict["current_scheduler"])
        for group, (rate, initial_rate) in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate  # the constructor of the scheduler may have set the first rate of its phase
            if initial_rate is not None:
                group["initial_lr"] = initial_rate
        self._steps_done = state_dict.get("steps_done", 0)
        self._steps_before_phase = state_dict.get("steps_before_phase", 0)

    def _enter_phase(self) -> None:
        """Build the scheduler of the next epoch, unless its phase has already begun."""
        phase = self._phase_of(self.last_epoch + 1)
        if phase == self._phase:
            return
        self._phase = phase
        self._steps_before_phase = self._steps_done
        self._current = None
        if phase == len(self.schedulers):
            return
        for group in self.optimizer.param_groups:
            group.pop("initial_lr", None)  # so that the current rates become the initial ones
        num_epochs, scheduler = self.schedulers[phase]
        self._current = scheduler.construct(
            optimizer=self.optimizer,
            num_epochs=num_epochs,
            num_steps_per_epoch=self.num_steps_per_epoch,
            validation_metric=self.validation_metric,
        )

    def _phase_of(self, epoch: int) -> int:
        """Index of the phase of an epoch, from 0; the number of phases if all are over."""
        end = 0
        for index, (num_epochs, _) in enumerate(self.schedulers):
            end += num_epochs
            if epoch < end:
                return index
        return len(self.schedulers)
