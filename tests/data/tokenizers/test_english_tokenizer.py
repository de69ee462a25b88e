"""Words of English against the tokenization of Universal Dependencies; sentences by cases that people meet."""

import difflib
from pathlib import Path

import pytest

import nlpreg
from nlpreg.data.tokenizers import EnglishSentenceSplitter, EnglishTokenizer, SentenceSplitter, Tokenizer

TREEBANKS = sorted(Path(nlpreg.__file__).parents[1].glob("training_configs/**/*.conllu"))


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


def units(lines):
    """For each token of a sentence: where it begins and ends among the characters that are no spaces, and its words."""
    rows = [
        line.split("\t")[:2] for line in lines if line and line[0] != "#" and "." not in line.split("\t")[0]
    ]
    at = index = 0
    found = []
    while index < len(rows):
        number, form = rows[index]
        index += 1
        words = [form]
        if "-" in number:
            first, last = map(int, number.split("-"))
            words = [row[1] for row in rows[index : index + last - first + 1]]
            index += len(words)
        length = len(form.replace(" ", ""))
        found.append((at, at + length, words))
        at += length
    return found


def word_f1(path):
    """F1 of words as the CoNLL 2018 shared task defines it: by position or, in a multiword token, by common subsequence."""
    num_gold = num_found = num_right = 0
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.split("\n")
        (text,) = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
        place = {}
        for index, character in enumerate(text):
            if not character.isspace():
                place[index] = len(place)
        tokens = EnglishTokenizer().tokenize(text)
        spans = [(place[token.idx], place[token.idx_end - 1] + 1) for token in tokens]
        for start, end, words in units(lines):
            num_gold += len(words)
            if len(words) == 1:
                num_right += (start, end) in spans
                continue
            inside = [
                token.text.lower()
                for token, span in zip(tokens, spans, strict=True)
                if start <= span[0] and span[1] <= end
            ]
            forms = [word.lower() for word in words]
            blocks = difflib.SequenceMatcher(None, forms, inside, autojunk=False).get_matching_blocks()
            num_right += sum(one.size for one in blocks)
        num_found += len(tokens)
    return 2 * num_right / (num_gold + num_found)


def test_words_of_a_treebank():
    paths = [path for path in TREEBANKS if "# text = " in path.read_text(encoding="utf-8")]
    if not paths:
        pytest.skip("the treebank that comes along has no raw text")
    assert min(map(word_f1, paths)) > 0.98


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
