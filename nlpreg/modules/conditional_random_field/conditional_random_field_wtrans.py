"""A conditional random field that weights labels through their emissions and transitions."""

from __future__ import annotations

from torch import Tensor

from nlpreg.modules.conditional_random_field.conditional_random_field import ConditionalRandomField
from nlpreg.modules.conditional_random_field.label_weights import weights_of_labels


class ConditionalRandomFieldWeightTrans(ConditionalRandomField):
    """Multiplies the emission of each tag, and the transitions from it, by the tag's weight, in the likelihood only.

    Args:
        num_tags: number of tags.
        label_weights: weight of each tag.
        constraints: pairs of tags of which the second may follow the first, see `ConditionalRandomField`.
        include_start_end_transitions: learn scores for the first and the last tag too.

    Shape:
        inputs (B, T, num_tags), tags (B, T), mask (B, T) -> scalar.

    Raises:
        ConfigurationError: `label_weights` is None.
    """

    label_weights: Tensor

    def __init__(
        self,
        num_tags: int,
        label_weights: list[float],
        constraints: list[tuple[int, int]] | None = None,
        include_start_end_transitions: bool = True,
    ) -> None:
        super().__init__(num_tags, constraints, include_start_end_transitions)
        self.register_buffer("label_weights", weights_of_labels(label_weights, num_tags))

    def forward(self, inputs: Tensor, tags: Tensor, mask: Tensor | None = None) -> Tensor:
        """The log-likelihood with weighted emissions and transitions, summed over the batch."""
        inputs, mask = self._prepare(inputs, mask)
        transitions = self.transitions * self.label_weights.unsqueeze(1)
        return self._log_likelihood(inputs * self.label_weights, tags, mask, transitions)
