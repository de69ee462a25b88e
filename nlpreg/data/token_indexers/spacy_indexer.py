"""The vectors of spaCy's tokens."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.token_indexers.token_indexer import IndexedTokenList, TokenIndexer, VocabCounter
from nlpreg.data.tokenizers.token_class import Token

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary


@TokenIndexer.register("spacy")
class SpacyTokenIndexer(TokenIndexer):
    """Gives the vector of each spaCy token unchanged, for the `pass_through` embedder.

    Needs a spaCy tokenizer with `keep_spacy_tokens`.

    Args:
        hidden_dim: width of the vectors of the spaCy model.
        token_min_padding_length: pad to this many tokens at least.

    Shape:
        `{"tokens": (num_tokens, hidden_dim)}`, float32.

    Raises:
        ValueError: when indexing, a token that is not spaCy's.
        ConfigurationError: when padding, vectors of another width.
    """

    def __init__(self, hidden_dim: int = 96, token_min_padding_length: int = 0) -> None:
        super().__init__(token_min_padding_length)
        self._hidden_dim = hidden_dim

    def count_vocab_items(self, token: Token, counter: VocabCounter) -> None:
        """Count nothing."""

    def tokens_to_indices(self, tokens: list[Token], vocabulary: "Vocabulary") -> IndexedTokenList:
        """A vector for each token, under "tokens"."""
        spacy_tokens: list[Any] = tokens
        for token in spacy_tokens:
            if isinstance(token, Token) or not hasattr(token, "vector"):
                raise ValueError(
                    f"spacy indexer: expected spaCy tokens, got {token!r} ({type(token).__name__}); set keep_spacy_tokens "
                    "of the spaCy tokenizer"
                )
        return {"tokens": [token.vector for token in spacy_tokens]}

    def get_empty_token_list(self) -> IndexedTokenList:
        """No vectors."""
        return {"tokens": []}

    def as_padded_tensor_dict(
        self, tokens: IndexedTokenList, padding_lengths: dict[str, int]
    ) -> dict[str, torch.Tensor]:
        """The vectors, padded with zeros."""
        tensors = {}
        for key, vectors in tokens.items():
            padded = np.zeros((padding_lengths[key], self._hidden_dim), np.float32)
            kept = vectors[: padding_lengths[key]]
            if kept:
                if len(kept[0]) != self._hidden_dim:
                    raise ConfigurationError(
                        f"spacy indexer: hidden_dim is {self._hidden_dim}, but the spaCy model has vectors of {len(kept[0])}; set "
                        "hidden_dim to that, or choose a model that has vectors"
                    )
                padded[: len(kept)] = kept
            tensors[key] = torch.from_numpy(padded)
        return tensors
