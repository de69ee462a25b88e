"""Vectors of tokens."""

from nlpreg.modules.token_embedders.bag_of_word_counts_token_embedder import BagOfWordCountsTokenEmbedder
from nlpreg.modules.token_embedders.bidirectional_lm import BidirectionalLanguageModelTokenEmbedder
from nlpreg.modules.token_embedders.character_language_model import CharacterLanguageModelEmbedder
from nlpreg.modules.token_embedders.elmo_token_embedder import ElmoTokenEmbedder
from nlpreg.modules.token_embedders.embedding import DropoutEmbedding, Embedding, UnknownDropoutEmbedding
from nlpreg.modules.token_embedders.empty_embedder import EmptyEmbedder
from nlpreg.modules.token_embedders.language_model import LanguageModelTokenEmbedder
from nlpreg.modules.token_embedders.pass_through_token_embedder import PassThroughTokenEmbedder
from nlpreg.modules.token_embedders.pretrained_transformer_embedder import PretrainedTransformerEmbedder
from nlpreg.modules.token_embedders.pretrained_transformer_mismatched_embedder import (
    PretrainedTransformerMismatchedEmbedder,
)
from nlpreg.modules.token_embedders.token_characters_encoder import TokenCharactersEncoder
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder

__all__ = [
    "BagOfWordCountsTokenEmbedder",
    "BidirectionalLanguageModelTokenEmbedder",
    "CharacterLanguageModelEmbedder",
    "DropoutEmbedding",
    "ElmoTokenEmbedder",
    "Embedding",
    "EmptyEmbedder",
    "LanguageModelTokenEmbedder",
    "PassThroughTokenEmbedder",
    "PretrainedTransformerEmbedder",
    "PretrainedTransformerMismatchedEmbedder",
    "TokenCharactersEncoder",
    "TokenEmbedder",
    "UnknownDropoutEmbedding",
]
