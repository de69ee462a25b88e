from collections import Counter

from nlpreg.data import Instance, TokenIndexer, Vocabulary
from nlpreg.data.fields import TextField
from nlpreg.data.id_corpus import CountedWordsField
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer

TEXTS = [["The", "the", "cat"], ["cat", "naïve", "the"], ["z", "y", "x"]]


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


def test_small_things():
    field = CountedWordsField({"a": 2, "b": 1}, {})
    assert len(field) == 2
    assert field.human_readable_repr() == {"distinct_words": 2, "words": 3}
    assert field.get_padding_lengths() == {}
