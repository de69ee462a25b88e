"""The base of constraints on what a beam search may predict."""

from __future__ import annotations

import copy

from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.nn.beam_search.types import ConstraintStateType, VocabularyProtocol


class Constraint(Registrable):
    """Lowers the log probabilities of classes that a beam must not continue with.

    Subclasses implement `init_state`, `apply` and `_update_state`.

    Args:
        vocab: the vocabulary of the classes, for constraints that look at tokens.
    """

    def __init__(self, vocab: VocabularyProtocol | None = None) -> None:
        self.vocab = vocab

    def init_state(self, batch_size: int) -> ConstraintStateType:
        """What to remember before the first step: for each sentence a list with one dict."""
        raise NotImplementedError

    def apply(self, state: ConstraintStateType, class_log_probabilities: Tensor) -> Tensor:
        """Lower log probabilities.

        Args:
            state: what is remembered for each beam.
            class_log_probabilities: log probabilities of the classes, (B, beams, C).

        Returns:
            Log probabilities of the same shape; forbidden classes have the most negative finite value.
        """
        raise NotImplementedError

    def update_state(
        self, state: ConstraintStateType, last_prediction: Tensor, last_backpointer: Tensor | None = None
    ) -> ConstraintStateType:
        """Carry the state over to new beams.

        Args:
            state: what is remembered for each old beam.
            last_prediction: the class that each new beam has just got, (B, beams).
            last_backpointer: the old beam that each new one continues, (B, beams); None after the first step, when
                there is one old beam for each sentence.
        """
        if last_backpointer is None:
            parents = [[0] * last_prediction.size(1) for _ in range(last_prediction.size(0))]
        else:
            parents = last_backpointer.tolist()
        new_state = [
            [copy.deepcopy(old_beams[parent]) for parent in row]
            for old_beams, row in zip(state, parents, strict=True)
        ]
        return self._update_state(new_state, last_prediction)

    def _update_state(self, state: ConstraintStateType, last_prediction: Tensor) -> ConstraintStateType:
        """Take note of new predictions; `state` is already that of each new beam's parent, and may be changed."""
        raise NotImplementedError
