"""What conditional random fields with weights of labels share."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.conditional_random_field.conditional_random_field import ConditionalRandomField


class WeightedConditionalRandomField(ConditionalRandomField):
    """A conditional random field that keeps a weight for each tag; subclasses use them in the likelihood only.

    Args:
        num_tags: number of tags.
        label_weights: weight of each tag.
        constraints: pairs of tags of which the second may follow the first, see `ConditionalRandomField`.
        include_start_end_transitions: learn scores for the first and the last tag too.

    Shape:
        as in `ConditionalRandomField`.

    Raises:
        ConfigurationError: there is not one weight for each tag.
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
        if label_weights is None:
            raise ConfigurationError("label_weights must be given, one weight for each tag")
        if len(label_weights) != num_tags:
            raise ConfigurationError(
                f"expected {num_tags} label weights, one for each tag, got {len(label_weights)}"
            )
        self.register_buffer("label_weights", torch.tensor(label_weights, dtype=torch.float32))
