"""Checks of the model on the first batch of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from nlpreg.confidence_checks.normalization_bias_verification import NormalizationBiasVerification
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.protocols import GradientNorm, MetricValues, ModelOutputs, TensorDict

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer


class ConfidenceCheckError(Exception):
    """A check found a probable mistake in the model.

    Args:
        message: description of the mistake.
    """

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}; set trainer.run_confidence_checks to false to train anyway")


@TrainerCallback.register("sanity_checks")
@TrainerCallback.register("confidence_checks")
class ConfidenceChecksCallback(TrainerCallback):
    """Checks on the first training batch for biases that have no effect because a normalization follows.

    Args:
        serialization_dir: folder of the run; given by the trainer.
    """

    reads_batch_outputs = False

    def __init__(self, serialization_dir: str | os.PathLike[str]) -> None:
        super().__init__(serialization_dir)
        self._verification: NormalizationBiasVerification | None = None

    def on_start(self, trainer: RunningTrainer, is_primary: bool = True, **kwargs: Any) -> None:
        """Register hooks on the modules."""
        super().on_start(trainer, is_primary, **kwargs)
        if is_primary and trainer.run.progress.total_batches_completed == 0:
            self._verification = NormalizationBiasVerification(cast(nn.Module, trainer.model))
            self._verification.register_hooks()

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
        """Report the findings on the first batch.

        Raises:
            ConfidenceCheckError: a bias has no effect because of a normalization.
        """
        if self._verification is None or not is_training:
            return
        verification, self._verification = self._verification, None
        verification.destroy_hooks()
        if pairs := verification.collect_detections():
            listing = ", ".join(f"{first} and then {second}" for first, second in pairs)
            raise ConfidenceCheckError(
                f"a bias has no effect because of the normalization after it: {listing}"
            )

    def on_end(self, trainer: RunningTrainer, *args: Any, **kwargs: Any) -> None:
        """Remove the hooks."""
        if self._verification is not None:
            self._verification.destroy_hooks()
            self._verification = None

    def wants_batch_metrics(self, trainer: RunningTrainer, is_training: bool) -> bool:
        """False: the check does not read metrics."""
        return False
