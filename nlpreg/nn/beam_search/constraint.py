"""Constraints on the sequences of a beam search, and the types that search and constraints share.

Letters in shapes: G rows, one for each beam of each sentence; C classes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol, Union

import torch
from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.nn.util.masks import min_value_of_dtype

StateType = dict[str, Tensor]
"""Tensors (G, ...) that the step function reads and renews; a value may be None."""

StepFunctionTypeWithTimestep = Callable[[Tensor, StateType, int], tuple[Tensor, StateType]]
"""(last predictions (G,), state, timestep from 0) -> (log probabilities (G, C), state)."""

StepFunctionTypeNoTimestep = Callable[[Tensor, StateType], tuple[Tensor, StateType]]
"""(last predictions (G,), state) -> (log probabilities (G, C), state)."""

StepFunctionType = Union[StepFunctionTypeWithTimestep, StepFunctionTypeNoTimestep]

ConstraintStateType = list[list[dict[str, Any]]]
"""For each sentence and each of its beams what a constraint remembers."""


class VocabularyProtocol(Protocol):
    """What a constraint may ask a vocabulary; this package lies below the one that defines it."""

    def get_token_index(self, token: str, namespace: str = "tokens") -> int:
        """The index of a token."""
        ...

    def get_token_from_index(self, index: int, namespace: str = "tokens") -> str:
        """The token of an index."""
        ...

    def get_vocab_size(self, namespace: str = "tokens") -> int:
        """The number of tokens."""
        ...


class Constraint(Registrable):
    """Lowers the log probabilities of classes that a beam must not continue with.

    Subclasses implement `init_state`, `apply` and `_update_state`.

    Args:
        vocab: the vocabulary of the classes, for constraints that look at tokens.
    """

    constructor_extras = frozenset(["vocab"])

    def __init__(self, vocab: VocabularyProtocol | None = None) -> None:
        self.vocab = vocab

    def init_state(self, batch_size: int) -> ConstraintStateType:
        """What to remember before the first step: for each sentence a list with one dict."""
        raise NotImplementedError

    def apply(self, state: ConstraintStateType, class_log_probabilities: Tensor) -> Tensor | None:
        """Lower log probabilities.

        Args:
            state: what is remembered for each beam.
            class_log_probabilities: log probabilities of the classes, (B, beams, C). A subclass may write into them.

        Returns:
            Log probabilities of the same shape; forbidden classes have the most negative finite value. None for the ones
            that were given, written into.
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


@Constraint.register("repetition-penalty")
class RepetitionPenaltyConstraint(Constraint):
    """Lowers the log probability of every class that the sequence has already, by a factor.

    Args:
        penalty: the factor, 1 or more; 1 changes nothing.
        vocab: not used.

    Raises:
        ValueError: `penalty` is less than 1.

    Source: Keskar et al. (2019), https://arxiv.org/abs/1909.05858, section 4.1; there the logits are scaled.
    """

    def __init__(self, penalty: float, vocab: VocabularyProtocol | None = None) -> None:
        super().__init__(vocab)
        if penalty < 1:
            raise ValueError(f"penalty: expected 1 or more, got {penalty}")
        self.penalty = penalty

    def init_state(self, batch_size: int) -> ConstraintStateType:
        """Nothing seen yet, see `Constraint.init_state`."""
        return [[{"seen": set()}] for _ in range(batch_size)]

    def apply(self, state: ConstraintStateType, class_log_probabilities: Tensor) -> Tensor:
        """Lower what the sequence has, see `Constraint.apply`."""
        result = class_log_probabilities.clone()
        for row, beams in zip(result, state, strict=True):
            for scores, memory in zip(row, beams, strict=True):
                if memory["seen"]:
                    seen = torch.tensor(sorted(memory["seen"]), device=scores.device)
                    scores[seen] *= self.penalty  # log probabilities are negative
        return result

    def _update_state(self, state: ConstraintStateType, last_prediction: Tensor) -> ConstraintStateType:
        for beams, predictions in zip(state, last_prediction.tolist(), strict=True):
            for memory, prediction in zip(beams, predictions, strict=True):
                memory["seen"].add(prediction)
        return state
