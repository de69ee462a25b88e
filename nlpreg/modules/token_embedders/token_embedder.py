"""The base class of embedders of tokens."""

import torch

from nlpreg.common import Registrable


class TokenEmbedder(torch.nn.Module, Registrable):
    """Turns the output of one token indexer into one vector per token.

    The parameters of `forward` are named after the tensors of the indexer; the names matter only if there is more than one
    tensor.

    Shape:
        usually ids (B, T) or (B, T, num_characters) -> (B, T, output_dim).
    """

    default_implementation = "embedding"

    # Set by the constructors of subclasses, unless these override the method.
    output_dim: int | None = None

    def get_output_dim(self) -> int:
        """Width of the vector of each token."""
        if self.output_dim is None:
            raise NotImplementedError(f"{type(self).__name__} does not implement get_output_dim")
        return self.output_dim
