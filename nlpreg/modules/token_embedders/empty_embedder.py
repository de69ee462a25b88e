"""No vectors for an indexer whose ids only serve as targets."""

import torch

from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder


@TokenEmbedder.register("empty")
class EmptyEmbedder(TokenEmbedder):
    """Accepts any input and returns None, so that the text field embedder ignores the indexer.

    Shape:
        anything -> None.
    """

    output_dim = 0

    def forward(self, *inputs: torch.Tensor, **named_inputs: torch.Tensor) -> None:
        """Return None."""
        return None
