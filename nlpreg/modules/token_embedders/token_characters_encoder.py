"""Vectors of words from their characters."""

import torch
from torch import nn

from nlpreg.modules.distinct_rows import distinct_rows
from nlpreg.modules.seq2vec_encoders.seq2vec_encoder import Seq2VecEncoder
from nlpreg.modules.time_distributed import TimeDistributed
from nlpreg.modules.token_embedders.embedding import Embedding
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder

__all__ = ["TokenCharactersEncoder"]


@TokenEmbedder.register("character_encoding")
class TokenCharactersEncoder(TokenEmbedder):
    """Embeds the characters of each word and encodes them into one vector.

    Each distinct word of a batch is encoded once, which gives the numbers and gradients of encoding every token. Where
    `embedding` or `encoder` draw random numbers in training, equal words of a batch share them; `dropout` is drawn for
    each token.

    Args:
        embedding: of the characters.
        encoder: of the characters of one word into its vector. It has to cope with rows that are all padding.
        dropout: chance, from 0 to 1, that a value of a token's vector is zeroed.

    Shape:
        token_characters (B, T, num_characters) ids, 0 at padding -> (B, T, output_dim of the encoder).
    """

    def __init__(self, embedding: Embedding, encoder: Seq2VecEncoder, dropout: float = 0.0) -> None:
        super().__init__()
        # The wrappers only give the weights their names: words are encoded below without regard to time.
        self._embedding = TimeDistributed(embedding)
        self._encoder = TimeDistributed(encoder)
        self._dropout = nn.Dropout(dropout) if dropout > 0 else None

    def get_output_dim(self) -> int:
        """Width of the vector of each token."""
        return int(self._encoder._module.get_output_dim())

    def forward(self, token_characters: torch.Tensor) -> torch.Tensor:
        """Encode each word of a batch."""
        words, places = distinct_rows(token_characters.flatten(0, -2))  # (U, num_characters), (B * T,)
        encoded = self._encoder._module(self._embedding._module(words), words != 0)  # (U, output_dim)
        tokens: torch.Tensor = encoded.index_select(0, places).unflatten(0, token_characters.shape[:-1])
        return tokens if self._dropout is None else self._dropout(tokens)
