import itertools

import pytest

from nlpreg.data.tokenizers import (
    CharacterTokenizer,
    LettersDigitsTokenizer,
    Token,
    Tokenizer,
    WhitespaceTokenizer,
)
from nlpreg.data.tokenizers.tokenizer import join_words


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", ""),
        ("The dog barks .", "The dog barks."),
        ("Well , ( he said ) no !", "Well, (he said) no!"),
        ('He said " come in " and left .', 'He said "come in" and left.'),
        ("I do n't think it 's his , they 'll see", "I don't think it's his, they'll see"),
        ("I don ' t", "I don't"),
        ("-LRB- `` yes '' -RRB-", "(“yes”)"),
        ("a well @-@ known 1 @,@ 000 @.@ 5", "a well-known 1,000.5"),
        ("$ 5 and 7 %", "$5 and 7%"),
    ],
)
def test_words_become_a_text(words, text):
    assert join_words(words.split()) == text


def test_a_text_only_grows():
    text = "It is \" 1 @,@ 000 \" , ( he said ) isn ' t it ? `` Yes . ''"
    words = text.split()
    texts = [join_words(words[:length]) for length in range(len(words) + 1)]
    assert all(longer.startswith(shorter) for shorter, longer in itertools.pairwise(texts))


def test_tokenizers_put_their_tokens_together():
    assert WhitespaceTokenizer().detokenize(["a", "b", "."]) == "a b."
    assert LettersDigitsTokenizer().detokenize(["a", ",", "b"]) == "a, b"
    assert CharacterTokenizer().detokenize(list("a b.\n")) == "a b.\n"


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
