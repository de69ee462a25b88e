"""Scoring by log probability."""

from __future__ import annotations

from torch import Tensor

from nlpreg.nn.beam_search.final_sequence_scorer import FinalSequenceScorer


@FinalSequenceScorer.register("sequence-log-prob")
class SequenceLogProbabilityScorer(FinalSequenceScorer):
    """The log probability of a sequence, as it is."""

    def score(self, predictions: Tensor, log_probabilities: Tensor, end_index: int) -> Tensor:
        """Score sequences, see `FinalSequenceScorer.score`."""
        return log_probabilities
