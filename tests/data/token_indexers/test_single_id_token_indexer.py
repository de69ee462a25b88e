import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Token, TokenIndexer, Vocabulary
from nlpreg.data.columns import WordColumn
from nlpreg.data.fields.field import new_counter
from nlpreg.data.token_indexers import SingleIdTokenIndexer

TOKENS = [
    Token("The", pos_="DET", text_id=7),
    Token("dog", pos_="NOUN", text_id=8),
    Token("zzz", pos_="NOUN", text_id=9),
]


def test_words(vocab: Vocabulary) -> None:
    indexer = SingleIdTokenIndexer()
    counter = new_counter()
    for token in TOKENS:
        indexer.count_vocab_items(token, counter)
    assert counter == {"tokens": {"The": 1, "dog": 1, "zzz": 1}}
    assert indexer.tokens_to_indices(TOKENS, vocab) == {"tokens": [1, 3, 1]}
    assert indexer.get_empty_token_list() == {"tokens": []}


def test_a_word_like_the_padding_token_is_a_word(vocab: Vocabulary) -> None:
    words = ["dog", "@@PADDING@@", "@@UNKNOWN@@"]
    indexer = SingleIdTokenIndexer()
    assert indexer.tokens_to_indices([Token(word) for word in words], vocab) == {"tokens": [3, 1, 1]}
    (row,) = indexer.index_words(WordColumn([words]), vocab)
    assert row["tokens"].tolist() == [3, 1, 1]


def test_lower_case(vocab: Vocabulary) -> None:
    indexer = SingleIdTokenIndexer(lowercase_tokens=True)
    assert indexer.tokens_to_indices(TOKENS, vocab) == {"tokens": [2, 3, 1]}
    counter = new_counter()
    indexer.count_words({"THE": 2, "the": 1}, counter)
    assert counter == {"tokens": {"the": 3}}


def test_other_features(vocab: Vocabulary) -> None:
    indexer = SingleIdTokenIndexer("labels", feature_name="pos_")
    counter = new_counter()
    indexer.count_vocab_items(TOKENS[0], counter)
    assert counter == {"labels": {"DET": 1}}
    assert indexer.tokens_to_indices(TOKENS, vocab) == {"tokens": [0, 1, 1]}
    assert not indexer.indexes_words()


def test_ready_made_ids() -> None:
    indexer = SingleIdTokenIndexer(None, feature_name="text_id")
    counter = new_counter()
    indexer.count_vocab_items(TOKENS[0], counter)
    assert not counter
    assert indexer.tokens_to_indices(TOKENS, Vocabulary()) == {"tokens": [7, 8, 9]}
    with pytest.raises(ConfigurationError, match="expected a namespace"):
        indexer.indices_to_tokens({"tokens": [7]}, Vocabulary())


def test_missing_features(vocab: Vocabulary) -> None:
    indexer = SingleIdTokenIndexer(feature_name="tag_")
    with pytest.raises(ValueError, match=r"expected a token with 'tag_', got The.*default_value"):
        indexer.tokens_to_indices(TOKENS, vocab)
    with pytest.raises(ValueError, match="expected a token with 'tag_'"):
        indexer.count_vocab_items(TOKENS[0], new_counter())
    indexer = SingleIdTokenIndexer(feature_name="tag_", default_value="dog")
    assert indexer.tokens_to_indices(TOKENS, vocab) == {"tokens": [3, 3, 3]}


def test_ends_are_looked_up_but_not_counted(vocab: Vocabulary) -> None:
    indexer = SingleIdTokenIndexer(start_tokens=["the", "<S>"], end_tokens=["."])
    counter = new_counter()
    indexer.count_words({"dog": 1}, counter)
    assert counter == {"tokens": {"dog": 1}}
    assert indexer.tokens_to_indices([Token("dog")], vocab) == {"tokens": [2, 1, 3, 5]}
    column = WordColumn([["dog"], []])
    assert [text["tokens"].tolist() for text in indexer.index_words(column, vocab)] == [
        [2, 1, 3, 5],
        [2, 1, 5],
    ]


def test_the_way_back(vocab: Vocabulary) -> None:
    indexer = SingleIdTokenIndexer()
    indexed = indexer.tokens_to_indices([Token("the"), Token("dog")], vocab)
    assert indexer.indices_to_tokens(indexed, vocab) == [Token("the"), Token("dog")]


def test_from_config() -> None:
    indexer = TokenIndexer.from_params(Params({"lowercase_tokens": True, "namespace": None}))
    assert isinstance(indexer, SingleIdTokenIndexer)
    assert indexer.lowercase_tokens
    assert indexer.namespace is None
    assert indexer == SingleIdTokenIndexer(None, True)
    assert indexer != SingleIdTokenIndexer()
