"""Small vocabularies and corpora for the tests of the data layer."""

from collections.abc import Callable
from typing import Any

import pytest

from nlpreg.data import Instance, TokenIndexer, Vocabulary
from nlpreg.data.fields import LabelField, SequenceLabelField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer


@pytest.fixture
def vocab() -> Vocabulary:
    """Words, characters and labels of a few sentences."""
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["the", "dog", "barks", "."])
    vocab.add_tokens_to_namespace(list("thedogbarks."), "token_characters")
    vocab.add_tokens_to_namespace(["DET", "NOUN", "VERB", "PUNCT"], "labels")
    return vocab


@pytest.fixture
def indexers() -> dict[str, TokenIndexer]:
    """Ids of words and of their characters."""
    return {"tokens": SingleIdTokenIndexer(), "chars": TokenCharactersIndexer(min_padding_length=2)}


@pytest.fixture
def make_instance(indexers: dict[str, TokenIndexer]) -> Callable[..., Instance]:
    """Makes a tagged sentence."""

    def make(words: str, tags: str | None = None, label: str | None = None) -> Instance:
        text = TextField.from_words(words.split(), indexers)
        fields: dict[str, Any] = {"text": text}
        if tags is not None:
            fields["tags"] = SequenceLabelField(tags.split(), text)
        if label is not None:
            fields["label"] = LabelField(label, "topic_labels")
        return Instance(fields)

    return make
