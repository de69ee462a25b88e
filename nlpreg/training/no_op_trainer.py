"""A trainer for models that need no training."""

from __future__ import annotations

import os
from typing import Any, Protocol

from nlpreg.data.vocabulary import Vocabulary
from nlpreg.training.checkpointer import CheckpointFiles, save_state
from nlpreg.training.protocols import TrainableModel
from nlpreg.training.run import BEST_NAME
from nlpreg.training.trainer import Trainer, TrainerCheckpoint


class ModelWithVocabulary(TrainableModel, Protocol):
    """A model that knows its vocabulary."""

    vocab: Vocabulary


@Trainer.register("no_op")
class NoOpTrainer(Trainer):
    """Saves a model without training it, so that it can be archived.

    Args:
        serialization_dir: folder for the vocabulary and the weights; given by the command.
        model: the model.
    """

    def __init__(self, serialization_dir: str | os.PathLike[str], model: ModelWithVocabulary) -> None:
        super().__init__(serialization_dir, cuda_device=-1)
        self.model = model
        self._best_model_filename: str | None = None

    def train(self) -> dict[str, Any]:
        """Save the vocabulary, one checkpoint and the weights; there are no metrics."""
        folder = self._serialization_dir
        self.model.vocab.save_to_files(os.path.join(folder, "vocabulary"))
        checkpoint = self.get_checkpoint_state()
        CheckpointFiles(folder, 0, 0).save(checkpoint)
        path = os.path.abspath(os.path.join(folder, BEST_NAME))
        save_state(path, checkpoint.model_state)
        self._best_model_filename = path
        return {}

    def get_checkpoint_state(self) -> TrainerCheckpoint:
        """The weights, and nothing else."""
        return TrainerCheckpoint(self.model.state_dict(), {})

    def get_best_weights_path(self) -> str | None:
        """Path of `best.th`, once it is written."""
        return self._best_model_filename
