"""Words and sentences of English by cases that people meet; tests/benchmarks/test_raw_text.py looks at treebanks."""

import pytest

from nlpreg.data.tokenizers import EnglishSentenceSplitter, EnglishTokenizer, SentenceSplitter, Tokenizer


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't think they'll go; it's late.", "I do n't think they 'll go ; it 's late ."),
        ("I'd've said: CAN'T!", "I 'd 've said : CA N'T !"),
        ("You cannot, dont and gonna", "You can not , do nt and gon na"),
        ("Mr. Smith of Acme Inc. paid $1,000.50 (50%)", "Mr. Smith of Acme Inc. paid $ 1,000.50 ( 50 % )"),
        ("See http://a.b/c?d=1, or mail x.y@z.org.", "See http://a.b/c?d=1 , or mail x.y@z.org ."),
        ("the U.S. at 5pm on 10/12/2001, 1st", "the U.S. at 5 pm on 10/12/2001 , 1st"),
        ("a well-known e-mail -- really...", "a well - known e-mail -- really ..."),
        ("What?!! :) <3", "What ?!! :) <3"),
        ("John’s “naïve” café", "John ’s “ naïve ” café"),
        ("call 713-853-3989", "call 713-853-3989"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_words(text, words):
    tokenizer = EnglishTokenizer()
    assert tokenizer.split_words(text) == words.split()
    tokens = tokenizer.tokenize(text)
    assert [token.text for token in tokens] == words.split()
    assert all(text[token.idx : token.idx_end] == token.text for token in tokens)


@pytest.mark.parametrize(
    "text", ["a\u00a0b", "漢字。", "x" * 10_000, "-" * 10_000, "a." * 5_000, "'" * 5_000, "\ud83d"]
)
def test_odd_texts_lose_nothing(text):
    assert "".join(EnglishTokenizer().split_words(text)) == "".join(text.split())


@pytest.mark.parametrize(
    "sentences",
    [
        ["He left.", "She stayed."],
        ['"Stop!" he said.', "Nobody did."],
        ["Mr. J. Smith lives in the U.S. Army base.", "He likes it."],
        ["It costs $3.50 at Acme Inc. in town?", "Really?!", "Yes."],
        ["He works for Acme Inc.", "The pay is good."],
        ["A title", "And a text (with brackets.)", "More."],
        ["One thing... and another."],
        ["See www.a.com. now"],
    ],
)
def test_sentences(sentences):
    glue = "\n\n" if sentences[0] == "A title" else " "
    text = sentences[0] + glue + " ".join(sentences[1:])
    assert EnglishSentenceSplitter().split_sentences(text) == sentences
    assert EnglishSentenceSplitter().split_sentences("") == []


def test_names():
    assert Tokenizer.by_name("english") is EnglishTokenizer
    assert SentenceSplitter.by_name("english") is EnglishSentenceSplitter
