"""Token indexers: from tokens to ids and tensors."""

from nlpreg.data.token_indexers.code_points_indexer import CodePointsIndexer
from nlpreg.data.token_indexers.elmo_indexer import ELMoTokenCharactersIndexer
from nlpreg.data.token_indexers.pretrained_transformer_indexer import PretrainedTransformerIndexer
from nlpreg.data.token_indexers.pretrained_transformer_mismatched_indexer import (
    PretrainedTransformerMismatchedIndexer,
)
from nlpreg.data.token_indexers.single_id_token_indexer import SingleIdTokenIndexer
from nlpreg.data.token_indexers.spacy_indexer import SpacyTokenIndexer
from nlpreg.data.token_indexers.subword_indexer import SubwordIndexer
from nlpreg.data.token_indexers.token_characters_indexer import TokenCharactersIndexer
from nlpreg.data.token_indexers.token_indexer import IndexedTokenList, TokenIndexer
from nlpreg.data.token_indexers.word_form_indexers import (
    AffixIndexer,
    CasingIndexer,
    ShapeIndexer,
    WordFormIndexer,
)

__all__ = [
    "AffixIndexer",
    "CasingIndexer",
    "CodePointsIndexer",
    "ELMoTokenCharactersIndexer",
    "IndexedTokenList",
    "PretrainedTransformerIndexer",
    "PretrainedTransformerMismatchedIndexer",
    "ShapeIndexer",
    "SingleIdTokenIndexer",
    "SpacyTokenIndexer",
    "SubwordIndexer",
    "TokenCharactersIndexer",
    "TokenIndexer",
    "WordFormIndexer",
]
