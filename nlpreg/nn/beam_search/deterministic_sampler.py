"""Picking the most likely classes."""

from __future__ import annotations

from torch import Tensor

from nlpreg.nn.beam_search.sampler import Sampler
from nlpreg.nn.beam_search.types import StateType


@Sampler.register("deterministic")
class DeterministicSampler(Sampler):
    """Picks the classes with the highest log probabilities."""

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Pick the best classes, see `Sampler.sample_nodes`."""
        best = log_probs.topk(per_node_beam_size, dim=-1)
        return best.values, best.indices, {}
