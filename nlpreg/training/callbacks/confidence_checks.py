"""Checks of the model in the first step of a run."""

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
    """A check found something in the model that is probably a mistake.

    Args:
        message: what it found.
    """

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}; set trainer.run_confidence_checks to false to train all the same")


@TrainerCallback.register("sanity_checks")
@TrainerCallback.register("confidence_checks")
class ConfidenceChecksCallback(TrainerCallback):
    """Checks in the first training batch of a run for biases that have no effect because a normalization follows.

    Args:
        serialization_dir: folder of the run; given by the trainer.
    """

    reads_batch_outputs = False

    def __init__(self, serialization_dir: str | os.PathLike[str]) -> None:
        super().__init__(serialization_dir)
        self._verification: NormalizationBiasVerification | None = None

    def on_start(self, trainer: RunningTrainer, is_primary: bool = True, **kwargs: Any) -> None:
        """Start to watch the modules."""
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
        """Report what was found in the first batch.

        Raises:
            ConfidenceCheckError: a bias is undone by a normalisation.
        """
        if self._verification is None or not is_training:
            return
        verification, self._verification = self._verification, None
        verification.destroy_hooks()
        if pairs := verification.collect_detections():
            listing = ", ".join(f"{first} and then {second}" for first, second in pairs)
            raise ConfidenceCheckError(f"a bias is undone by the normalisation after it: {listing}")

    def on_end(self, trainer: RunningTrainer, *args: Any, **kwargs: Any) -> None:
        """Stop watching."""
        if self._verification is not None:
            self._verification.destroy_hooks()
            self._verification = None

    def wants_batch_metrics(self, trainer: RunningTrainer, is_training: bool) -> bool:
        """Never."""
        return False
