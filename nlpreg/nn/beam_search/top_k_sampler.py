"""Drawing classes among the most likely ones."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.nn.beam_search.sampler import Sampler
from nlpreg.nn.beam_search.types import StateType


@Sampler.register("top-k")
class TopKSampler(Sampler):
    """Draws classes from the k most likely ones, by their probabilities among these.

    Args:
        k: how many classes may be drawn.
        temperature: above 1 flattens the distribution, below 1 sharpens it.
        with_replacement: a class may be drawn more than once for the same row.

    Source: Fan, Lewis and Dauphin (2018), https://arxiv.org/abs/1805.04833
    """

    def __init__(self, k: int = 1, temperature: float = 1.0, with_replacement: bool = False) -> None:
        self.k = k
        self.temperature = temperature
        self.with_replacement = with_replacement

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Draw classes, see `Sampler.sample_nodes`.

        Raises:
            ValueError: not `per_node_beam_size <= k <= number of classes`.
        """
        num_classes = log_probs.size(-1)
        if not per_node_beam_size <= self.k <= num_classes:
            raise ValueError(
                f"k must lie between the per-node beam size {per_node_beam_size} and the number of classes "
                f"{num_classes}, got {self.k}"
            )
        best = log_probs.topk(self.k, dim=-1)
        probabilities = torch.softmax(best.values / self.temperature, dim=-1)
        drawn = torch.multinomial(probabilities, per_node_beam_size, replacement=self.with_replacement)
        return best.values.gather(1, drawn), best.indices.gather(1, drawn), state
