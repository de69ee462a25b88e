"""Trainers without gradient descent: `no_op` saves the model untrained, `counting` passes all data to it once."""

import logging
import os
from typing import Any, Protocol, cast

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.digests import record_digests
from nlpreg.common.tqdm import Tqdm
from nlpreg.data import DataLoader, Vocabulary
from nlpreg.training.checkpointer import CheckpointFiles, save_state
from nlpreg.training.protocols import ReadableModel, TrainableModel
from nlpreg.training.run import BEST_NAME
from nlpreg.training.trainer import Trainer, TrainerCheckpoint
from nlpreg.training.validation import evaluate

logger = logging.getLogger(__name__)


class ModelWithVocabulary(TrainableModel, Protocol):
    """A model with a vocabulary, which `no_op` saves."""

    vocab: Vocabulary


class CountedModel(ReadableModel, Protocol):
    """A model that is trained by counting, such as `tnt_tagger`."""

    vocab: Vocabulary

    def count(self, **batch: Any) -> None:
        """Add a batch, given as the fields of its instances by name, to the counts."""

    def finish_counting(self) -> None:
        """Compute the state of the model from the counts; called once, after the last batch."""


class _GradientFreeTrainer(Trainer):
    """Saves the weights of its model once, as a checkpoint and as the best weights."""

    model: TrainableModel
    _best_model_filename: str | None = None

    def _save(self) -> None:
        checkpoint = self.get_checkpoint_state()
        CheckpointFiles(self._serialization_dir, 0, 0).save(checkpoint)
        path = os.path.abspath(os.path.join(self._serialization_dir, BEST_NAME))
        digest = save_state(path, checkpoint.model_state)
        record_digests(self._serialization_dir, known={BEST_NAME: digest})
        self._best_model_filename = path

    def get_checkpoint_state(self) -> TrainerCheckpoint:
        """The weights; there is no training state."""
        return TrainerCheckpoint(self.model.state_dict(), {})

    def get_best_weights_path(self) -> str | None:
        """Path of `best.th`; None before training."""
        return self._best_model_filename


@Trainer.register("no_op")
class NoOpTrainer(_GradientFreeTrainer):
    """Saves a model without training it, so that it can be archived.

    Args:
        serialization_dir: folder for the vocabulary and the weights; given by the command.
        model: the model.
    """

    def __init__(self, serialization_dir: str | os.PathLike[str], model: ModelWithVocabulary) -> None:
        super().__init__(serialization_dir, cuda_device=-1)
        self.model: ModelWithVocabulary = model

    def train(self) -> dict[str, Any]:
        """Save the vocabulary, one checkpoint and the weights; there are no metrics."""
        self.model.vocab.save_to_files(os.path.join(self._serialization_dir, "vocabulary"))
        self._save()
        return {}


@Trainer.register("counting")
class CountingTrainer(_GradientFreeTrainer):
    """Passes every batch of the training data to a model once, for models such as `tnt_tagger` that count.

    Args:
        model: the model.
        data_loader: the training data; given by the command.
        serialization_dir: folder for the weights; given by the command.
        validation_data_loader: the validation data; given by the command.
        cuda_device: the device of the validation, as in `Trainer`; the CPU by default.

    Raises:
        ConfigurationError: the model has no method `count`.
    """

    def __init__(
        self,
        model: CountedModel,
        data_loader: DataLoader,
        serialization_dir: str | os.PathLike[str] | None = None,
        validation_data_loader: DataLoader | None = None,
        cuda_device: int | torch.device = -1,
    ) -> None:
        super().__init__(serialization_dir, cuda_device=cuda_device)
        if not hasattr(model, "count"):
            raise ConfigurationError(
                f"trainer.type: counting trains models that count, such as tnt_tagger, and {type(model).__name__} does "
                "not; use the trainer gradient_descent"
            )
        self.model: CountedModel = model
        self.data_loader = data_loader
        self._validation_data_loader = validation_data_loader

    def train(self) -> dict[str, Any]:
        """Count, save the weights, and validate.

        Returns:
            The metrics on the validation data, as `best_validation_...`.
        """
        self.model.train()
        num_batches = 0
        with Tqdm.tqdm(self.data_loader, desc="counting") as bar:
            for batch in bar:
                self.model.count(**batch)
                num_batches += 1
        if num_batches == 0:
            raise ConfigurationError("train_data_path: expected at least one batch to count, got none")
        self.model.finish_counting()
        self._save()
        if self._validation_data_loader is None:
            return {}
        cast(torch.nn.Module, self.model).to(self.cuda_device)
        metrics = evaluate(self.model, self._validation_data_loader, self.cuda_device)
        logger.info("validation: %s", metrics)
        return {f"best_validation_{name}": value for name, value in metrics.items()}
