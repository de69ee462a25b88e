"""What a beam search works on: the state of a model, its step function, the state of constraints.

Letters in shapes: G rows, one for each beam of each sentence; C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Union

from torch import Tensor

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
