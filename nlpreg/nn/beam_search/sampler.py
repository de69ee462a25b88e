"""The base of samplers: how a beam search picks continuations.

Letters in shapes: B sentences, N rows (a beam of a sentence), C classes, K candidates.
"""

from __future__ import annotations

from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.nn.beam_search.types import StateType


class Sampler(Registrable):
    """Picks classes to continue a beam with, and candidates to keep as beams."""

    default_implementation = "deterministic"

    def init_state(
        self, start_class_log_probabilities: Tensor, batch_size: int, num_classes: int
    ) -> StateType:
        """What the sampler has to remember; nothing unless overridden.

        Args:
            start_class_log_probabilities: log probabilities of the first step, (B, C).
            batch_size: B.
            num_classes: C.
        """
        return {}

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Pick classes for each row.

        Args:
            log_probs: log probabilities of the classes, (N, C).
            per_node_beam_size: how many to pick.
            state: what the sampler remembers.

        Returns:
            The log probabilities of the picked classes as they were given, the classes, both
            (N, per_node_beam_size), and the new state.
        """
        raise NotImplementedError

    def sample_beams(
        self, log_probs: Tensor, beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Pick candidates for each sentence; the best ones unless overridden.

        Args:
            log_probs: log probabilities of the candidates, (B, K).
            beam_size: how many to pick.
            state: what the sampler remembers.

        Returns:
            The log probabilities of the picked candidates, their indices, both (B, beam_size), and the new state.
        """
        best = log_probs.topk(beam_size, dim=-1)
        return best.values, best.indices, {}
