"""`TrainerCallback`, the base class of callbacks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from nlpreg.common import Registrable
from nlpreg.training.protocols import GradientNorm, MetricValues, ModelOutputs, TensorDict

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer


class TrainerCallback(Registrable):
    """Hooks that the trainer calls at certain points of a run; each does nothing here.

    Every process of a distributed run calls them; `is_primary` says whether this is the one that writes.

    Args:
        serialization_dir: folder of the run; given by the trainer.
    """

    constructor_extras = frozenset(["serialization_dir"])

    reads_batch_outputs: ClassVar[bool] = True
    """Whether `on_batch` looks at `batch_outputs`. Where no callback does, they are empty, and the memory of what the
    model returned is free before the next batch of the same update is computed."""

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
            batch_outputs: what the model returned; `loss` is that of this batch alone.
            backward_called: whether an earlier callback ran the backward pass.

        Returns:
            Whether this callback ran it.
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
            batch_outputs: what the model returned for each; empty if no callback wants it.
            batch_metrics: metrics of the epoch so far, in this process; empty if no callback wants them.
            epoch: number of the epoch, from 0.
            batch_number: number of the update or batch in the epoch, from 1.
            is_training: false in validation.
            is_primary: whether this process writes.
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
            is_primary: whether this process writes.
        """

    def on_end(
        self,
        trainer: RunningTrainer,
        metrics: MetricValues | None = None,
        epoch: int | None = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Called once at the end, also after an error; `metrics` and `epoch` are None then."""

    def wants_batch_metrics(self, trainer: RunningTrainer, is_training: bool) -> bool:
        """Whether `on_batch` will read `batch_metrics` this time; they are computed only if a callback does."""
        return type(self).on_batch is not TrainerCallback.on_batch

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint, as tensors and plain values."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`."""


TrainerCallback.register("null")(TrainerCallback)
