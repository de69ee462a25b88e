"""Drawing classes among those that make up most of the probability."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.nn.beam_search.sampler import Sampler
from nlpreg.nn.beam_search.types import StateType


@Sampler.register("top-p")
class TopPSampler(Sampler):
    """Draws classes from the fewest likely ones whose probabilities add up to p or more.

    Args:
        p: share of the probability, from 0 to 1.
        temperature: above 1 flattens the distribution, below 1 sharpens it.
        with_replacement: a class may be drawn more than once for the same row; otherwise at least as many classes as
            are drawn stay available.

    Raises:
        ValueError: `p` is outside [0, 1].

    Source: Holtzman et al. (2019), https://arxiv.org/abs/1904.09751
    """

    def __init__(self, p: float = 0.9, temperature: float = 1.0, with_replacement: bool = False) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"p must be within [0, 1], got {p}")
        self.p = p
        self.temperature = temperature
        self.with_replacement = with_replacement

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Draw classes, see `Sampler.sample_nodes`.

        Raises:
            ValueError: `per_node_beam_size` is greater than the number of classes.
        """
        if per_node_beam_size > log_probs.size(-1):
            raise ValueError(
                f"the per-node beam size {per_node_beam_size} must not exceed the number of classes "
                f"{log_probs.size(-1)}"
            )
        probabilities, classes = torch.softmax(log_probs / self.temperature, dim=-1).sort(descending=True)
        # A class stays available if those before it do not reach p yet, so the one that reaches p stays too.
        is_excluded = probabilities.cumsum(dim=-1) - probabilities >= self.p
        num_kept = 1 if self.with_replacement else per_node_beam_size
        is_excluded[:, :num_kept] = False
        drawn = torch.multinomial(
            probabilities.masked_fill(is_excluded, 0.0), per_node_beam_size, replacement=self.with_replacement
        )
        picked = classes.gather(1, drawn)
        return log_probs.gather(1, picked), picked, state
