"""How often each vocabulary entry occurs in a text."""

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError, PositiveInt
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder


@TokenEmbedder.register("bag_of_word_counts")
class BagOfWordCountsTokenEmbedder(TokenEmbedder):
    """Counts the ids of a text, which gives one vector for the whole text.

    Args:
        vocab: the vocabulary, passed by nlpreg.
        vocab_namespace: the part of the vocabulary whose ids are counted.
        projection_dim: width of a linear projection of the counts; None for no projection.
        ignore_oov: whether unknown words are ignored.

    Shape:
        inputs (B, T) ids, 0 at padding -> (B, V or projection_dim).

    Raises:
        ConfigurationError: the namespace has no entry for unknown words.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        vocab_namespace: str = "tokens",
        projection_dim: PositiveInt | None = None,
        ignore_oov: bool = False,
    ) -> None:
        super().__init__()
        self.vocab_size = vocab.get_vocab_size(vocab_namespace)
        oov_index = vocab.get_token_to_index_vocabulary(vocab_namespace).get(vocab.oov_token)
        if oov_index is None:
            raise ConfigurationError(
                f"bag_of_word_counts: expected the namespace {vocab_namespace!r} to have an entry for unknown words, "
                "it has none; name a padded namespace"
            )
        self._ignored = [0, oov_index] if ignore_oov else [0]
        self._projection = nn.Linear(self.vocab_size, projection_dim) if projection_dim else None
        self.output_dim = projection_dim or self.vocab_size

    def forward(self, inputs: Tensor) -> Tensor:
        """Count a batch."""
        counts = torch.zeros(inputs.size(0), self.vocab_size, device=inputs.device)
        counts.scatter_add_(1, inputs, torch.ones_like(inputs, dtype=counts.dtype))
        counts[:, self._ignored] = 0
        return counts if self._projection is None else self._projection(counts)
