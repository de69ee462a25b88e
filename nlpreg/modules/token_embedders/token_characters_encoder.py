"""Vectors of words from their characters."""

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from nlpreg.common.checks import Probability
from nlpreg.modules.seq2vec_encoders.seq2vec_encoder import Seq2VecEncoder
from nlpreg.modules.time_distributed import TimeDistributed
from nlpreg.modules.token_embedders.embedding import Embedding
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder
from nlpreg.nn.cpu_layers import Dropout
from nlpreg.nn.operators import is_exporting, run_uncompiled
from nlpreg.nn.util.indexing import distinct_rows

# B texts, T tokens, U distinct tokens

_NOT_WORTH_SPLITTING = 8
"""Words of at most this many characters make one group: another group would cost more than the padding."""


@TokenEmbedder.register("character_encoding")
class TokenCharactersEncoder(TokenEmbedder):
    """Embeds the characters of each word and encodes them into one vector.

    Each distinct word of a batch is encoded once, with the same results and gradients as encoding every token. If
    `embedding` or `encoder` draw random numbers in training, equal words of a batch share them; `dropout` is drawn for
    each token.

    Args:
        embedding: embeds the characters.
        encoder: encodes the characters of a word as one vector. It must support rows of only padding.
        dropout: dropout probability of the token vectors, from 0 to 1.

    Shape:
        token_characters (B, T, num_characters) ids, 0 at padding -> (B, T, output_dim of the encoder).
    """

    dimension_chain: ClassVar[tuple[str, ...]] = ("embedding", "encoder")

    def __init__(self, embedding: Embedding, encoder: Seq2VecEncoder, dropout: Probability = 0.0) -> None:
        super().__init__()
        # The wrappers only determine the names of the weights; words are encoded without the time dimension.
        self._embedding = TimeDistributed(embedding)
        self._encoder = TimeDistributed(encoder)
        self._dropout = Dropout(dropout) if dropout > 0 else None
        self.output_dim = encoder.get_output_dim()

    def forward(self, token_characters: Tensor) -> Tensor:
        """Encode each word of a batch."""
        tokens = run_uncompiled(self._encode_tokens, token_characters)
        return tokens if self._dropout is None else self._dropout(tokens)

    def _encode_tokens(self, token_characters: Tensor) -> Tensor:
        """Encode each distinct word once; not compiled, because convolutions would be recompiled for every length of words."""
        encoder: Any = self._encoder.module
        if is_exporting():  # every word, because the number of distinct ones depends on the data
            words = functional.pad(token_characters.flatten(0, -2), (0, encoder.padding_reach() or 0))
            every_word = self._encode(words)
            return every_word.view(*token_characters.shape[:-1], every_word.size(1))
        if not token_characters.numel():
            if not token_characters.shape[:-1].numel():
                shape = (*token_characters.shape[:-1], self.get_output_dim())
                return next(self._embedding.parameters()).new_zeros(shape)
            token_characters = functional.pad(token_characters, (0, 1))  # words without a character
        words, places = distinct_rows(token_characters.flatten(0, -2))  # (U, num_characters), (B * T,)
        reach = encoder.padding_reach()
        if reach is None or words.device.type != "cpu":
            encoded = self._encode(functional.pad(words, (0, reach or 0)))  # (U, output_dim)
        else:
            # Short words are not padded to the longest one, but with as much padding as influences their vectors, so
            # that these do not depend on the lengths of other words.
            lengths, order = _lengths(words).sort(descending=True)
            places = order.argsort().index_select(0, places)
            # (U, num_characters + reach)
            rows = functional.pad(words.index_select(0, order), (0, reach))
            encoded = torch.cat(
                [
                    self._encode(rows[start:end, : length + reach])
                    for start, end, length in _groups(lengths.tolist())
                ]
            )
        return encoded.index_select(0, places).view(*token_characters.shape[:-1], encoded.size(1))

    def _encode(self, words: Tensor) -> Tensor:
        """Ids of characters (n, num_characters) -> (n, output_dim)."""
        embedding: Any = self._embedding.module
        encoder: Any = self._encoder.module
        encoded: Tensor = encoder(embedding(words), words != 0)
        return encoded


def _lengths(words: Tensor) -> Tensor:
    """The length of each word up to its last character, (U, num_characters) -> (U,)."""
    return ((words != 0) * torch.arange(1, words.size(1) + 1)).amax(1)


def _groups(lengths: list[int]) -> Iterator[tuple[int, int, int]]:
    """Split words into groups in which no word is less than half as long as the longest.

    Args:
        lengths: lengths in characters, in descending order.

    Yields:
        For each group its first word, its last word + 1, and the length to pad to.
    """
    start = 0
    while start < len(lengths):
        longest = max(lengths[start], 1)
        end = start + 1
        while end < len(lengths) and (2 * lengths[end] > longest or longest <= _NOT_WORTH_SPLITTING):
            end += 1
        yield start, end, longest
        start = end
