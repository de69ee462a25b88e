"""The base of everything that turns a text field into vectors."""

import torch

from nlpreg.common import Registrable

__all__ = ["TextFieldEmbedder"]


class TextFieldEmbedder(torch.nn.Module, Registrable):
    """Turns the tensors of a text field into one vector per token.

    Shape:
        text_field_input {indexer: {argument: (B, ..., T, ...)}} -> (B, ..., T, output_dim).
    """

    default_implementation = "basic"

    def get_output_dim(self) -> int:
        """Width of the vector of each token."""
        raise NotImplementedError
