import pytest

from nlpreg.common import Params
from nlpreg.data.tokenizers import Token, Tokenizer, WhitespaceTokenizer


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The dog  barks.", ["The", "dog", "barks."]),
        ("\ta\u00a0b\u3000c\n", ["a", "b", "c"]),
        ("", []),
        (" \n", []),
        ("naïve 日本語", ["naïve", "日本語"]),
    ],
)
def test_words_between_white_space(text: str, words: list[str]) -> None:
    tokenizer = WhitespaceTokenizer()
    assert tokenizer.tokenize(text) == [Token(word) for word in words]
    assert tokenizer.split_words(text) == words


@pytest.mark.parametrize("name", ["whitespace", "just_spaces"])
def test_from_config(name: str) -> None:
    assert isinstance(Tokenizer.from_params(Params({"type": name})), WhitespaceTokenizer)
