import itertools

import pytest

from nlpreg.data.tokenizers import CharacterTokenizer, LettersDigitsTokenizer, WhitespaceTokenizer
from nlpreg.data.tokenizers.detokenizing import join_words


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
