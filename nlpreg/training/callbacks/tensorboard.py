"""Plots in TensorBoard."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from nlpreg.common.imports import check_package, optional
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.callbacks.log_writer import LogWriterCallback

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer


@TrainerCallback.register("tensorboard")
class TensorBoardCallback(LogWriterCallback):
    """Writes event files for TensorBoard into `log/train` and `log/validation` in the folder of the run.

    Needs the extra `tensorboard`. A resumed run discards what was written after its checkpoint.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        summary_interval: number of updates between two writings of scalars.
        distribution_interval: number of updates between two writings of histograms; None for never.
        batch_size_interval: number of updates between two writings of the batch size; None for never.
        should_log_parameter_statistics: whether to write mean and deviation of each parameter and its gradient.
        should_log_learning_rate: whether to write the learning rate of each parameter.
    """

    def __init__(
        self,
        serialization_dir: str | os.PathLike[str],
        summary_interval: int = 100,
        distribution_interval: int | None = None,
        batch_size_interval: int | None = None,
        should_log_parameter_statistics: bool = False,
        should_log_learning_rate: bool = False,
    ) -> None:
        super().__init__(
            serialization_dir,
            summary_interval,
            distribution_interval,
            batch_size_interval,
            should_log_parameter_statistics,
            should_log_learning_rate,
        )
        optional("tensorboard", extra="tensorboard")  # checked now, before the data are read
        self._writers: dict[str, Any] = {}

    @staticmethod
    def check_arguments() -> None:
        """Say that the package is missing; `nlpreg check` does so too."""
        check_package("tensorboard", extra="tensorboard")

    def on_start(self, trainer: "RunningTrainer", is_primary: bool = True, **kwargs: Any) -> None:
        """Open the event files."""
        super().on_start(trainer, is_primary, **kwargs)
        if not is_primary:
            return
        summary_writer = optional("torch.utils.tensorboard", extra="tensorboard").SummaryWriter
        done = trainer.run.progress.total_batches_completed
        for name in ("train", "validation"):
            folder = os.path.join(self.serialization_dir, "log", name)
            self._writers[name] = summary_writer(folder, purge_step=done + 1 if done else None)

    def log_scalars(
        self, scalars: Mapping[str, float | Tensor], log_prefix: str = "", epoch: int | None = None
    ) -> None:
        """Write numbers, as in the base class."""
        writer, step = self._writer(log_prefix), self._step(epoch)
        for name, value in scalars.items():
            writer.add_scalar(f"{log_prefix}/{name}" if log_prefix else name, float(value), step)

    def log_tensors(
        self, tensors: Mapping[str, Tensor], log_prefix: str = "", epoch: int | None = None
    ) -> None:
        """Write histograms, as in the base class."""
        writer, step = self._writer(log_prefix), self._step(epoch)
        for name, tensor in tensors.items():
            values = tensor.coalesce().values() if tensor.is_sparse else tensor
            writer.add_histogram(
                f"{log_prefix}/{name}" if log_prefix else name, values.cpu().reshape(-1), step
            )

    def close(self) -> None:
        """Close the event files."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, log_prefix: str) -> Any:
        return self._writers["validation" if log_prefix.startswith("validation") else "train"]

    def _step(self, epoch: int | None) -> int:
        assert self.trainer is not None
        return (self.trainer.run.progress.total_batches_completed if epoch is None else epoch) + 1
