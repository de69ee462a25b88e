"""The base class of embedders of text fields."""

from collections.abc import Mapping
from typing import Any

import torch

from nlpreg.common import Registrable


class TextFieldEmbedder(torch.nn.Module, Registrable):
    """Turns the tensors of a text field into one vector per token.

    Shape:
        text_field_input {indexer: {argument: (B, ..., T, ...)}} -> (B, ..., T, output_dim).
    """

    default_implementation = "basic"

    def forward(
        self,
        text_field_input: Mapping[str, Mapping[str, torch.Tensor] | torch.Tensor],
        num_wrapping_dims: int = 0,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Embed a text field.

        Args:
            text_field_input: the tensors of each indexer.
            num_wrapping_dims: number of dimensions between the batch and the tokens (text fields inside lists).
            kwargs: further arguments of an implementation.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement forward")

    def get_output_dim(self) -> int:
        """Width of the vector of each token."""
        raise NotImplementedError(f"{type(self).__name__} does not implement get_output_dim")
