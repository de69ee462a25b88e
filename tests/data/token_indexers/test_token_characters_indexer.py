import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Token, TokenIndexer, Vocabulary
from nlpreg.data.columns import WordColumn
from nlpreg.data.fields.field import new_counter
from nlpreg.data.token_indexers import TokenCharactersIndexer
from nlpreg.data.tokenizers import CharacterTokenizer


def ids_of(word: str, vocab: Vocabulary) -> list[int]:
    return [vocab.get_token_index(character, "token_characters") for character in word]


def test_characters(vocab: Vocabulary) -> None:
    indexer = TokenCharactersIndexer(min_padding_length=4)
    counter = new_counter()
    indexer.count_vocab_items(Token("dood"), counter)
    assert counter == {"token_characters": {"d": 2, "o": 2}}
    indexed = indexer.tokens_to_indices([Token("dog"), Token(""), Token("böse")], vocab)
    assert indexed == {"token_characters": [ids_of("dog", vocab), [], ids_of("böse", vocab)]}
    assert indexed["token_characters"][2][1] == 1
    assert indexer.get_padding_lengths(indexed) == {"token_characters": 3, "num_token_characters": 4}
    tensors = indexer.as_padded_tensor_dict(indexed, {"token_characters": 4, "num_token_characters": 3})
    assert tensors["token_characters"].tolist() == [
        ids_of("dog", vocab),
        [0, 0, 0],
        ids_of("bös", vocab),
        [0, 0, 0],
    ]


def test_lengths_at_least() -> None:
    indexer = TokenCharactersIndexer(min_padding_length=5, token_min_padding_length=2)
    assert indexer.get_padding_lengths(indexer.get_empty_token_list()) == {
        "token_characters": 2,
        "num_token_characters": 5,
    }
    assert (
        indexer.as_padded_tensor_dict(
            {"token_characters": []}, {"token_characters": 2, "num_token_characters": 5}
        )["token_characters"].tolist()
        == [[0] * 5] * 2
    )


def test_without_a_least_width_there_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="min_padding_length is 0"):
        TokenCharactersIndexer()


def test_bytes_need_no_vocabulary() -> None:
    tokenizer = CharacterTokenizer(byte_encoding="utf-8", end_tokens=[258])
    indexer = TokenCharactersIndexer(character_tokenizer=tokenizer, min_padding_length=1)
    counter = new_counter()
    indexer.count_vocab_items(Token("é"), counter)
    assert not counter
    indexed = indexer.tokens_to_indices([Token("é")], Vocabulary())
    assert indexed == {"token_characters": [[0xC3 + 1, 0xA9 + 1, 258]]}


def test_many_words_at_once(vocab: Vocabulary) -> None:
    indexer = TokenCharactersIndexer(min_padding_length=1, start_tokens=["<S>"], end_tokens=["the"])
    column = WordColumn([["dog", "dog"], []])
    texts = indexer.index_words(column, vocab)
    assert [text["token_characters"].tolist() for text in texts] == [
        [ids_of("<S>", vocab), ids_of("dog", vocab), ids_of("dog", vocab), ids_of("the", vocab)],
        [ids_of("<S>", vocab), ids_of("the", vocab)],
    ]
    single = indexer.tokens_to_indices([Token("dog"), Token("dog")], vocab)
    assert texts[0] == single


def test_tokens_need_text(vocab: Vocabulary) -> None:
    indexer = TokenCharactersIndexer(min_padding_length=1)
    with pytest.raises(ConfigurationError, match="expected tokens with text"):
        indexer.count_vocab_items(Token(text_id=1), new_counter())
    with pytest.raises(ConfigurationError, match="expected tokens with text"):
        indexer.tokens_to_indices([Token(text_id=1)], vocab)


class Doubling(CharacterTokenizer):
    """A tokenizer of a plugin, which overrides `tokenize` alone."""

    def tokenize(self, text: str) -> list[Token]:
        return [Token(character * 2) for character in text] + [Token(text_id=77)]


def test_an_overridden_character_tokenizer_is_used(vocab: Vocabulary) -> None:
    indexer = TokenCharactersIndexer(character_tokenizer=Doubling(), min_padding_length=1)
    counter = new_counter()
    indexer.count_words({"ab": 2}, counter)
    assert counter == {"token_characters": {"aa": 2, "bb": 2}}
    vocab.add_token_to_namespace("aa", "token_characters")
    expected = vocab.get_token_index("aa", "token_characters")
    assert indexer.tokens_to_indices([Token("a")], vocab) == {"token_characters": [[expected, 77]]}


def test_from_config() -> None:
    indexer = TokenIndexer.from_params(
        Params(
            {
                "type": "characters",
                "character_tokenizer": {"byte_encoding": "utf-8", "start_tokens": [259]},
                "min_padding_length": 3,
            }
        )
    )
    expected = TokenCharactersIndexer(
        character_tokenizer=CharacterTokenizer("utf-8", start_tokens=[259]), min_padding_length=3
    )
    assert indexer == expected
