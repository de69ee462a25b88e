"""Vectors of tokens."""

from nlpreg.modules.token_embedders.embedding import Embedding
from nlpreg.modules.token_embedders.empty_embedder import EmptyEmbedder
from nlpreg.modules.token_embedders.pass_through_token_embedder import PassThroughTokenEmbedder
from nlpreg.modules.token_embedders.token_characters_encoder import TokenCharactersEncoder
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder

__all__ = [
    "Embedding",
    "EmptyEmbedder",
    "PassThroughTokenEmbedder",
    "TokenCharactersEncoder",
    "TokenEmbedder",
]
