import copy
import pickle
from typing import Any

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Instance, Token, TokenIndexer, Vocabulary
from nlpreg.data.batch import index_instances
from nlpreg.data.fields import TextField
from nlpreg.data.fields.field import batch_fields, index_fields, new_counter, padding_lengths_of_fields
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.data.tokenizers import CharacterTokenizer, LettersDigitsTokenizer, WhitespaceTokenizer

Indexers = dict[str, TokenIndexer]


def test_counting_is_indexer_by_indexer(indexers: Indexers) -> None:
    counter = new_counter()
    TextField([Token("ab"), Token("a")], indexers).count_vocab_items(counter)
    assert counter == {"tokens": {"ab": 1, "a": 1}, "token_characters": {"a": 2, "b": 1}}


def test_tensors_of_one_text(indexers: Indexers, vocab: Vocabulary) -> None:
    field = TextField([Token("the"), Token("cat")], indexers)
    field.index(vocab)
    lengths = field.get_padding_lengths()
    assert lengths == {
        "tokens___tokens": 2,
        "chars___token_characters": 2,
        "chars___num_token_characters": 3,
    }
    tensors = field.as_tensor({**lengths, "tokens___tokens": 3})
    assert tensors["tokens"]["tokens"].tolist() == [2, 1, 0]
    characters = vocab.get_token_to_index_vocabulary("token_characters")
    expected = [[characters.get(char, 1) for char in word] for word in ("the", "cat")]
    assert tensors["chars"]["token_characters"].tolist() == expected


def test_shapes_of_a_batch(indexers: Indexers, vocab: Vocabulary) -> None:
    fields = [TextField.from_words(["the"] * length, indexers) for length in (3, 5)]
    index_fields(fields, vocab)
    batch = batch_fields(fields, padding_lengths_of_fields(fields))
    assert batch["tokens"]["tokens"].shape == (2, 5)
    assert batch["chars"]["token_characters"].shape == (2, 5, 3)
    assert all(t.dtype == torch.int64 for tensors in batch.values() for t in tensors.values())


def test_words_become_tokens_when_asked_for() -> None:
    field = TextField.from_words(["a", "b"])
    assert field._tokens is None
    assert len(field) == field.sequence_length() == 2
    assert field.words == field.human_readable_repr() == ["a", "b"]
    assert field._tokens is None
    assert field.tokens == [Token("a"), Token("b")]
    assert field.words == ["a", "b"]


def test_changes_to_tokens_are_changes_to_the_field(vocab: Vocabulary) -> None:
    field = TextField.from_words(["the"], {"tokens": SingleIdTokenIndexer()})
    field.tokens.append(Token("dog"))
    assert len(field) == 2
    assert field.words == ["the", "dog"]
    index_instances([Instance({"text": field})], vocab)
    assert list(field._indexed_tokens["tokens"]["tokens"]) == [2, 3]
    field.tokens = [Token("x")]
    assert field.words == ["x"]


def test_from_text_takes_the_cheap_way_only_where_nothing_is_lost() -> None:
    class Shouting(WhitespaceTokenizer):
        def tokenize(self, text: str) -> list[Token]:
            return super().tokenize(text.upper())

    cheap = TextField.from_text("a b", WhitespaceTokenizer())
    assert cheap._words == ["a", "b"]
    assert cheap == TextField([Token("a"), Token("b")])
    assert TextField.from_text("a1", LettersDigitsTokenizer()).tokens[1].idx == 1
    assert TextField.from_text("a", CharacterTokenizer(start_tokens=["<"])).words == ["<", "a"]
    assert TextField.from_text("a b", Shouting()).words == ["A", "B"]


def test_only_tokens_are_taken() -> None:
    with pytest.raises(ConfigurationError, match=r"expected tokens, got 'a' \(str\)"):
        TextField(["a"])


def test_missing_indexers() -> None:
    field = TextField.from_words(["a"])
    with pytest.raises(ValueError, match="implement apply_token_indexers"):
        _ = field.token_indexers
    with pytest.raises(ValueError, match="implement apply_token_indexers"):
        field.count_vocab_items(new_counter())
    field.token_indexers = {}
    assert field.token_indexers == {}


@pytest.mark.parametrize("use", [lambda f: f.get_padding_lengths(), lambda f: f.as_tensor({})])
def test_tensors_before_index(use: Any, indexers: Indexers) -> None:
    with pytest.raises(ConfigurationError, match="this TextField is not indexed"):
        use(TextField.from_words(["a"], indexers))


def test_indexer_names_must_not_look_like_padding_keys(vocab: Vocabulary) -> None:
    field = TextField.from_words(["a"], {"a___b": SingleIdTokenIndexer()})
    with pytest.raises(ConfigurationError, match="expected names without '___', got 'a___b'"):
        field.index(vocab)
    with pytest.raises(ConfigurationError, match="got 'a___b'"):
        TextField.index_many([field], vocab)


def test_duplicate_shares_only_the_indexers(indexers: Indexers, vocab: Vocabulary) -> None:
    field = TextField([Token("the")], indexers)
    field.index(vocab)
    copied = field.duplicate()
    assert copied == field
    assert copied.token_indexers is indexers
    copied.tokens[0].text = "dog"
    copied._indexed_tokens["tokens"]["tokens"][0] = 9
    assert field.words == ["the"]
    assert field._indexed_tokens["tokens"]["tokens"] == [2]
    words = TextField.from_words(["a"], indexers)
    words.duplicate().words.append("b")
    assert words.words == ["a"]


def test_copies_of_a_field_indexed_with_others_do_not_hold_the_others(
    indexers: Indexers, vocab: Vocabulary
) -> None:
    fields = [TextField.from_words(["the", "dog"] * 500, indexers), TextField.from_words(["the"], indexers)]
    index_fields(fields, vocab)
    for copied in (copy.deepcopy(fields[1]), pickle.loads(pickle.dumps(fields[1])), fields[1].duplicate()):
        assert copied == fields[1]
        assert batch_fields([copied], copied.get_padding_lengths())["tokens"]["tokens"].tolist() == [[2]]
    assert len(pickle.dumps(fields[1]._indexed_tokens)) < 1000


def test_equality(indexers: Indexers, vocab: Vocabulary) -> None:
    field = TextField.from_words(["the"], indexers)
    assert field == TextField([Token("the")], indexers)
    assert field == TextField.from_words(["the"], indexers)
    assert field != TextField.from_words(["dog"], indexers)
    assert field != TextField.from_words(["the"], {})
    assert field != ["the"]
    single, many = TextField.from_words(["the"], indexers), TextField.from_words(["the"], indexers)
    single.index(vocab)
    assert single != many
    index_fields([many], vocab)
    assert single == many


def test_as_a_sequence() -> None:
    field = TextField([Token("a"), Token("b")])
    assert [token.text for token in field] == ["a", "b"]
    assert field[1] == Token("b")
    assert field[:1] == [Token("a")]
    assert "length 2" in str(field)


def test_empty_field(indexers: Indexers) -> None:
    empty = TextField.from_words(["a"], indexers).empty_field()
    assert len(empty) == 0
    lengths = {"tokens___tokens": 1, "chars___token_characters": 1, "chars___num_token_characters": 2}
    tensors = empty.as_tensor(lengths)
    assert tensors["tokens"]["tokens"].tolist() == [0]
    assert tensors["chars"]["token_characters"].tolist() == [[0, 0]]
    assert TextField.from_words([]).empty_field()._indexed_tokens == {}


class SpacyLikeToken:
    text = "x"


SpacyLikeToken.__module__ = "spacy.tokens.token"


def test_a_spacy_token_may_stand_for_a_token(vocab: Vocabulary) -> None:
    field = TextField([SpacyLikeToken()], {"tokens": SingleIdTokenIndexer()})
    index_fields([field], vocab)
    assert list(field._indexed_tokens["tokens"]["tokens"]) == [1]


def test_tokens_without_text_are_refused_as_by_the_single_methods(vocab: Vocabulary) -> None:
    field = TextField([Token(text_id=3)], {"tokens": SingleIdTokenIndexer()})
    with pytest.raises(ValueError, match="expected a token with 'text'"):
        TextField.index_many([field], vocab)
    with pytest.raises(ValueError, match="expected a token with 'text'"):
        TextField.count_many([field], new_counter())
