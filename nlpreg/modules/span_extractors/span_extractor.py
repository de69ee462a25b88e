"""The base of span extractors."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nlpreg.common import Registrable


class SpanExtractor(torch.nn.Module, Registrable):
    """Makes one vector for each span of a sequence.

    Shape:
        sequence_tensor (B, T, D), span_indices (B, S, 2), sequence_mask (B, T), span_indices_mask (B, S)
        -> (B, S, output_dim), zeros at masked spans.
    """

    def forward(
        self,
        sequence_tensor: Tensor,
        span_indices: Tensor,
        sequence_mask: Tensor | None = None,
        span_indices_mask: Tensor | None = None,
    ) -> Tensor:
        """Represent spans.

        Args:
            sequence_tensor: the vectors of the timesteps.
            span_indices: first and last timestep of each span, both inclusive.
            sequence_mask: true at real timesteps.
            span_indices_mask: true at real spans.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement forward")

    def get_input_dim(self) -> int:
        """Width of the sequence's vectors."""
        raise NotImplementedError(f"{type(self).__name__} does not implement get_input_dim")

    def get_output_dim(self) -> int:
        """Width of the spans' vectors."""
        raise NotImplementedError(f"{type(self).__name__} does not implement get_output_dim")

    if TYPE_CHECKING:
        __call__ = forward
