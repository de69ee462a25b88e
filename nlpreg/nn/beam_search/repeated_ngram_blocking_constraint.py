"""No n-gram twice."""

from __future__ import annotations

from torch import Tensor

from nlpreg.nn.beam_search.constraint import Constraint
from nlpreg.nn.beam_search.types import ConstraintStateType, VocabularyProtocol
from nlpreg.nn.util.numerics import min_value_of_dtype


@Constraint.register("repeated-ngram-blocking")
class RepeatedNGramBlockingConstraint(Constraint):
    """Forbids every class that would complete an n-gram for the second time in the same sequence.

    Args:
        ngram_size: the n.
        vocab: not used.
    """

    def __init__(self, ngram_size: int, vocab: VocabularyProtocol | None = None) -> None:
        super().__init__(vocab)
        self.ngram_size = ngram_size

    def init_state(self, batch_size: int) -> ConstraintStateType:
        """Nothing seen yet, see `Constraint.init_state`."""
        return [[{"seen_ngrams": {}, "current_prefix": []}] for _ in range(batch_size)]

    def apply(self, state: ConstraintStateType, class_log_probabilities: Tensor) -> Tensor:
        """Forbid repetitions, see `Constraint.apply`."""
        forbidden = [
            (sentence, beam, following)
            for sentence, beams in enumerate(state)
            for beam, memory in enumerate(beams)
            for following in memory["seen_ngrams"].get(tuple(memory["current_prefix"]), ())
        ]
        result = class_log_probabilities.clone()
        if forbidden:
            sentences, rows, classes = zip(*forbidden, strict=True)
            result[list(sentences), list(rows), list(classes)] = min_value_of_dtype(result.dtype)
        return result

    def _update_state(self, state: ConstraintStateType, last_prediction: Tensor) -> ConstraintStateType:
        for beams, predictions in zip(state, last_prediction.tolist(), strict=True):
            for memory, prediction in zip(beams, predictions, strict=True):
                prefix = memory["current_prefix"]
                if len(prefix) == self.ngram_size - 1:
                    memory["seen_ngrams"].setdefault(tuple(prefix), []).append(prediction)
                keep = self.ngram_size - 1
                memory["current_prefix"] = [*prefix, prediction][-keep:] if keep else []
        return state
