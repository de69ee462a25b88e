"""The number of the current epoch as an attribute of the model."""

from typing import TYPE_CHECKING, Any

from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.protocols import MetricValues

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer


@TrainerCallback.register("track_epoch_callback")
class TrackEpochCallback(TrainerCallback):
    """Sets `model.epoch` to the number of finished epochs.

    Args:
        serialization_dir: folder of the run; given by the trainer.
    """

    def on_start(self, trainer: "RunningTrainer", is_primary: bool = True, **kwargs: Any) -> None:
        """Set the number for the first epoch."""
        super().on_start(trainer, is_primary, **kwargs)
        _set_epoch(trainer, trainer.run.progress.epochs_completed)

    def on_epoch(
        self, trainer: "RunningTrainer", metrics: MetricValues, epoch: int, *args: Any, **kwargs: Any
    ) -> None:
        """Set the number for the next epoch."""
        _set_epoch(trainer, epoch + 1)


def _set_epoch(trainer: "RunningTrainer", epoch: int) -> None:
    trainer.model.epoch = epoch  # type: ignore[attr-defined]  # defined by this callback only
