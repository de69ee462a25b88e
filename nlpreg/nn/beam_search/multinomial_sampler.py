"""Drawing classes by their probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.nn.beam_search.sampler import Sampler
from nlpreg.nn.beam_search.types import StateType


@Sampler.register("multinomial")
class MultinomialSampler(Sampler):
    """Draws classes from the softmax of their log probabilities divided by a temperature.

    Args:
        temperature: above 1 flattens the distribution, below 1 sharpens it.
        with_replacement: a class may be drawn more than once for the same row.
    """

    def __init__(self, temperature: float = 1.0, with_replacement: bool = False) -> None:
        self.temperature = temperature
        self.with_replacement = with_replacement

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Draw classes, see `Sampler.sample_nodes`."""
        probabilities = torch.softmax(log_probs / self.temperature, dim=-1)
        classes = torch.multinomial(probabilities, per_node_beam_size, replacement=self.with_replacement)
        return log_probs.gather(1, classes), classes, state
