"""The base of everything that turns the ids of tokens into vectors."""

import torch

from nlpreg.common import Registrable


class TokenEmbedder(torch.nn.Module, Registrable):
    """Turns what one token indexer produced into one vector per token.

    The argument names of `forward` are those under which the indexer hands over its tensors; they matter only when there
    is more than one tensor.

    Shape:
        usually ids (B, T) or (B, T, num_characters) -> (B, T, output_dim).
    """

    default_implementation = "embedding"

    def get_output_dim(self) -> int:
        """Width of the vector of each token."""
        raise NotImplementedError
