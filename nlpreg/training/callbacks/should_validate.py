"""Validation in selected epochs only."""

import os
from typing import TYPE_CHECKING, Any

from nlpreg.common.checks import check_at_least
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.protocols import MetricValues

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer


@TrainerCallback.register("should_validate_callback")
class ShouldValidateCallback(TrainerCallback):
    """Validates only in every n-th epoch, beginning with a certain epoch.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        validation_start: number, from 0, of the first epoch with validation.
        validation_interval: epochs whose number is divisible by this are validated.

    Raises:
        ConfigurationError: `validation_start` is negative, or `validation_interval` is not positive.
    """

    def __init__(
        self,
        serialization_dir: str | os.PathLike[str],
        validation_start: int | None = None,
        validation_interval: int | None = None,
    ) -> None:
        super().__init__(serialization_dir)
        check_at_least(0, validation_start=validation_start)
        check_at_least(1, validation_interval=validation_interval)
        self._validation_start = validation_start
        self._validation_interval = validation_interval

    def on_start(self, trainer: "RunningTrainer", is_primary: bool = True, **kwargs: Any) -> None:
        """Set `should_validate_this_epoch` for the first epoch."""
        super().on_start(trainer, is_primary, **kwargs)
        trainer.run.should_validate_this_epoch = self._should_validate(trainer.run.progress.epochs_completed)

    def on_epoch(
        self, trainer: "RunningTrainer", metrics: MetricValues, epoch: int, *args: Any, **kwargs: Any
    ) -> None:
        """Set `should_validate_this_epoch` for the next epoch."""
        trainer.run.should_validate_this_epoch = self._should_validate(epoch + 1)

    def _should_validate(self, epoch: int) -> bool:
        if self._validation_start is not None and epoch < self._validation_start:
            return False
        return self._validation_interval is None or epoch % self._validation_interval == 0
