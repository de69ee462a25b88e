import numpy as np
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, Instance, Token, Vocabulary
from nlpreg.data.fields import ListField, TextField
from nlpreg.data.fields.field import new_counter
from nlpreg.data.token_indexers import SpacyTokenIndexer


class SpacyLikeToken:
    def __init__(self, text: str, *vector: float) -> None:
        self.text = text
        self.vector = np.array(vector, np.float32)


SpacyLikeToken.__module__ = "spacy.tokens.token"


def field_of(*tokens: SpacyLikeToken) -> TextField:
    return TextField(list(tokens), {"spacy": SpacyTokenIndexer(hidden_dim=2)})


A, B = SpacyLikeToken("a", 1, 2), SpacyLikeToken("b", 3, 4)


def test_vectors_padded_with_zeros() -> None:
    batch = Batch([Instance({"text": field_of(A, B)}), Instance({"text": field_of(B)})])
    batch.index_instances(Vocabulary())
    tensor = batch.as_tensor_dict()["text"]["spacy"]["tokens"]
    assert tensor.dtype == torch.float32
    assert tensor.tolist() == [[[1, 2], [3, 4]], [[3, 4], [0, 0]]]


def test_lists_and_empty_texts() -> None:
    lists = [ListField([field_of(A)]), ListField([field_of(B), field_of()])]
    batch = Batch([Instance({"texts": field}) for field in lists])
    batch.index_instances(Vocabulary())
    tensor = batch.as_tensor_dict()["texts"]["spacy"]["tokens"]
    assert tensor.tolist() == [[[[1, 2]], [[0, 0]]], [[[3, 4]], [[0, 0]]]]


def test_nothing_is_counted() -> None:
    counter = new_counter()
    field_of(A).count_vocab_items(counter)
    assert not counter


def test_other_tokens() -> None:
    with pytest.raises(ValueError, match="set keep_spacy_tokens"):
        SpacyTokenIndexer().tokens_to_indices([Token("a")], Vocabulary())


def test_vectors_of_another_width() -> None:
    indexer = SpacyTokenIndexer()
    with pytest.raises(ConfigurationError, match="hidden_dim is 96, but the spaCy model has vectors of 2"):
        indexer.as_padded_tensor_dict({"tokens": [A.vector]}, {"tokens": 1})


def test_with_spacy_itself() -> None:
    spacy = pytest.importorskip("spacy")
    document = spacy.blank("en")("A dog")
    indexed = SpacyTokenIndexer().tokens_to_indices(list(document), Vocabulary())
    assert len(indexed["tokens"]) == 2
