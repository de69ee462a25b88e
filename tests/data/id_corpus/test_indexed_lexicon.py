import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, Instance, TokenIndexer, Vocabulary
from nlpreg.data.fields import TextField
from nlpreg.data.id_corpus import CountedWordsField, IdCorpus, IndexedLexicon, write_id_corpus
from nlpreg.data.token_indexers import (
    ELMoTokenCharactersIndexer,
    SingleIdTokenIndexer,
    TokenCharactersIndexer,
)

TEXTS = [["The", "the", "cat"], ["naïve"], ["cat", "the", "unknown", "extraordinarily"]]


@pytest.fixture
def corpus(tmp_path):
    write_id_corpus(TEXTS, tmp_path)
    return IdCorpus(tmp_path)


def test_tensors_are_those_of_text_fields(corpus):
    indexers = {
        "tokens": SingleIdTokenIndexer(token_min_padding_length=5),
        "lower": SingleIdTokenIndexer(lowercase_tokens=True),
        "characters": TokenCharactersIndexer(min_padding_length=3),
        "elmo": ELMoTokenCharactersIndexer(),
    }
    fields = [TextField.from_words(text, indexers) for text in TEXTS]
    vocab = Vocabulary.from_instances([Instance({"x": field}) for field in fields[:2]])
    batch = Batch([Instance({"x": field}) for field in fields])
    batch.index_instances(vocab)
    expected = batch.as_tensor_dict()["x"]
    bounds = corpus.bounds(0, 3)
    found = IndexedLexicon(corpus, indexers, vocab).tensors(
        [corpus.numbers(start, stop) for start, stop in itertools.pairwise(bounds)]
    )
    assert found.keys() == expected.keys()
    for name, tensors in expected.items():
        for key, tensor in tensors.items():
            assert found[name][key].dtype == tensor.dtype
            assert torch.equal(found[name][key], tensor), name


def test_indexers_that_need_more_than_words_are_refused(corpus):
    class Odd(TokenIndexer):
        pass

    for indexer in (Odd(), SingleIdTokenIndexer(feature_name="pos_")):
        with pytest.raises(
            ConfigurationError, match=r"token_indexers\.x: .* needs more than the words themselves"
        ):
            IndexedLexicon(corpus, {"x": indexer}, Vocabulary())
    with pytest.raises(ConfigurationError, match="give them to the dataset reader"):
        IndexedLexicon(corpus, {"x": SingleIdTokenIndexer(start_tokens=["<S>"])}, Vocabulary())


def test_an_empty_row(corpus):
    lexicon = IndexedLexicon(corpus, {"tokens": SingleIdTokenIndexer()}, Vocabulary())
    tensors = lexicon.tensors([np.array([], int), np.array([0, 1])])
    assert tensors["tokens"]["tokens"].tolist() == [[0, 0], [1, 1]]


class Initials(TokenIndexer):
    """An indexer of a plugin, which knows nothing of whole lists."""

    def count_vocab_items(self, token, counter):
        counter["initials"][token.text[0]] += 1


def test_the_vocabulary_is_that_of_the_texts_themselves():
    indexers = {
        "tokens": SingleIdTokenIndexer(),
        "lower": SingleIdTokenIndexer(namespace="lower", lowercase_tokens=True),
        "characters": TokenCharactersIndexer(min_padding_length=1),
        "initials": Initials(),
    }
    instances = [Instance({"source": TextField.from_words(text, indexers)}) for text in TEXTS]
    counts = Counter(word for text in TEXTS for word in text)
    whole = Instance({"source": CountedWordsField(counts, indexers)})
    for options in ({}, {"min_count": {"tokens": 2}}, {"max_vocab_size": 3}):
        one = Vocabulary.from_instances(instances, **options)
        two = Vocabulary.from_instances([whole], **options)
        for namespace in ("tokens", "lower", "token_characters"):
            assert one.get_index_to_token_vocabulary(namespace) == two.get_index_to_token_vocabulary(
                namespace
            )
        initials = (
            one.get_token_to_index_vocabulary("initials"),
            two.get_token_to_index_vocabulary("initials"),
        )
        assert set(initials[0]) == set(initials[1])


def test_small_things_of_counted_words():
    field = CountedWordsField({"a": 2, "b": 1}, {})
    assert len(field) == 2
    assert field.human_readable_repr() == {"distinct_words": 2, "words": 3}
    assert field.get_padding_lengths() == {}
