"""The base of final scores."""

from __future__ import annotations

from torch import Tensor

from nlpreg.common import Registrable


class FinalSequenceScorer(Registrable):
    """The score by which finished sequences are ordered."""

    default_implementation = "sequence-log-prob"

    def score(self, predictions: Tensor, log_probabilities: Tensor, end_index: int) -> Tensor:
        """Score sequences.

        Args:
            predictions: the classes of each sequence, (B, beams, steps).
            log_probabilities: the log probability of each sequence, (B, beams).
            end_index: the class that ends a sequence.

        Returns:
            Scores (B, beams), the higher the better.
        """
        raise NotImplementedError
