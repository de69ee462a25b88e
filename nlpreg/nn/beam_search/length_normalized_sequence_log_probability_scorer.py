"""Scoring by log probability for each step."""

from __future__ import annotations

from torch import Tensor

from nlpreg.nn.beam_search.final_sequence_scorer import FinalSequenceScorer


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
