"""`TrainerCallback`, the base class of callbacks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from nlpreg.common import Registrable
from nlpreg.training.protocols import GradientNorm, MetricValues, ModelOutputs, TensorDict

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer


class TrainerCallback(Registrable):
    """Hooks that the trainer calls at certain points of a run; in the base class they do nothing.

    They are called in every process of a distributed run; `is_primary` is true in the process that writes files.

    Args:
        serialization_dir: folder of the run; given by the trainer.
    """

    constructor_extras = frozenset(["serialization_dir"])

    reads_batch_outputs: ClassVar[bool] = True
    """Whether `on_batch` reads `batch_outputs`. If no callback does, they are empty, so that the memory of the model's
    outputs is free before the next batch of the same update."""

    def __init__(self, serialization_dir: str | os.PathLike[str]) -> None:
        self.serialization_dir = os.fspath(serialization_dir)
        self.trainer: RunningTrainer | None = None

    def on_start(self, trainer: RunningTrainer, is_primary: bool = True, **kwargs: Any) -> None:
        """Called once, before the first epoch; in a resumed run, after its state is restored."""
        self.trainer = trainer

    def on_backward(
        self,
        trainer: RunningTrainer,
        batch_outputs: ModelOutputs,
        backward_called: bool,
        **kwargs: Any,
    ) -> bool:
        """Called after each forward pass in training; may run the backward pass itself, by `trainer.backward`.

        Args:
            trainer: the trainer.
            batch_outputs: outputs of the model; `loss` is that of this batch alone.
            backward_called: whether an earlier callback ran the backward pass.

        Returns:
            Whether this callback ran the backward pass.
        """
        return False

    def on_batch(
        self,
        trainer: RunningTrainer,
        batch_inputs: list[TensorDict],
        batch_outputs: list[ModelOutputs],
        batch_metrics: MetricValues,
        epoch: int,
        batch_number: int,
        is_training: bool,
        is_primary: bool = True,
        batch_grad_norm: GradientNorm = None,
        **kwargs: Any,
    ) -> None:
        """Called after each update and each validation batch.

        Args:
            trainer: the trainer.
            batch_inputs: the batches of this update.
            batch_outputs: outputs of the model for each batch; empty if no callback reads them.
            batch_metrics: metrics of the epoch so far, in this process; empty if no callback reads them.
            epoch: number of the epoch, from 0.
            batch_number: number of the update or batch in the epoch, from 1.
            is_training: false in validation.
            is_primary: whether this process writes files.
            batch_grad_norm: norm of the gradient before clipping, if it was computed.
        """

    def on_epoch(
        self,
        trainer: RunningTrainer,
        metrics: MetricValues,
        epoch: int,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Called after each epoch, validation included.

        Args:
            trainer: the trainer.
            metrics: as in `metrics_epoch_{epoch}.json`.
            epoch: number of the epoch, from 0.
            is_primary: whether this process writes files.
        """

    def on_end(
        self,
        trainer: RunningTrainer,
        metrics: MetricValues | None = None,
        epoch: int | None = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Called once at the end, also after an error, where `metrics` and `epoch` are None."""

    def wants_batch_metrics(self, trainer: RunningTrainer, is_training: bool) -> bool:
        """Whether the next `on_batch` reads `batch_metrics`, which are computed only if a callback does."""
        return type(self).on_batch is not TrainerCallback.on_batch

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint, as tensors and plain values."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`."""


TrainerCallback.register("null")(TrainerCallback)
