import pytest

from nlpreg.data.tokenizers import Token, Tokenizer


def test_registered_names() -> None:
    names = {"spacy", "whitespace", "just_spaces", "character", "letters_digits", "pretrained_transformer"}
    assert names <= set(Tokenizer.list_available())
    assert Tokenizer.list_available()[0] == "spacy"


def test_what_a_tokenizer_does_by_default() -> None:
    class Halves(Tokenizer):
        def tokenize(self, text: str) -> list[Token]:
            return [Token(text[: len(text) // 2]), Token(text[len(text) // 2 :])]

    tokenizer = Halves()
    assert tokenizer.batch_tokenize(["abcd", "xy"]) == [
        [Token("ab"), Token("cd")],
        [Token("x"), Token("y")],
    ]
    assert tokenizer.split_words("abcd") is None
    first, second = [Token("a")], [Token("b")]
    assert tokenizer.add_special_tokens(first) == [Token("a")]
    assert tokenizer.add_special_tokens(first, second) == [Token("a"), Token("b")]
    assert first == [Token("a")]
    assert tokenizer.num_special_tokens_for_sequence() == tokenizer.num_special_tokens_for_pair() == 0


def test_tokenize_must_be_written() -> None:
    with pytest.raises(NotImplementedError, match="Tokenizer has no tokenize"):
        Tokenizer().tokenize("a")
