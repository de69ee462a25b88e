"""No vectors for an indexer whose ids only serve as targets."""

import torch

from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder


@TokenEmbedder.register("empty")
class EmptyEmbedder(TokenEmbedder):
    """Takes any input and contributes nothing: the text field embedder leaves it out.

    Shape:
        anything -> None.
    """

    def get_output_dim(self) -> int:
        """Zero."""
        return 0

    def forward(self, *inputs: torch.Tensor, **named_inputs: torch.Tensor) -> None:
        """Return None."""
        return None
