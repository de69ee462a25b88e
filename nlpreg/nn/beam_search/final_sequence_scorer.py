"""The scores by which a beam search orders its finished sequences."""

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


@FinalSequenceScorer.register("sequence-log-prob")
class SequenceLogProbabilityScorer(FinalSequenceScorer):
    """The log probability of a sequence, as it is."""

    def score(self, predictions: Tensor, log_probabilities: Tensor, end_index: int) -> Tensor:
        """Score sequences, see `FinalSequenceScorer.score`."""
        return log_probabilities


@FinalSequenceScorer.register("length-normalized-sequence-log-prob")
class LengthNormalizedSequenceLogProbabilityScorer(FinalSequenceScorer):
    """The log probability of a sequence divided by a power of its length, its end symbol included.

    Args:
        length_penalty: the exponent; above 1 favours long sequences, below 1 short ones.
    """

    def __init__(self, length_penalty: float = 1.0) -> None:
        self.length_penalty = length_penalty

    def score(self, predictions: Tensor, log_probabilities: Tensor, end_index: int) -> Tensor:
        """Score sequences, see `FinalSequenceScorer.score`."""
        lengths = (predictions != end_index).long().sum(dim=2)
        is_finished = predictions[:, :, -1] == end_index
        lengths = lengths + is_finished.long()
        return log_probabilities / lengths.to(log_probabilities.dtype) ** self.length_penalty
