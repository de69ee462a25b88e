import random

import pytest

from nlpreg.data import word_numbers
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.tokenizers import WhitespaceTokenizer
from nlpreg.data.tokenizers.tokenizer import Tokenizer
from nlpreg.data.word_numbers import HashedLines, WordNumbers


def expected_numbers(words):
    """Numbers in the order of first appearance, by a dictionary."""
    number_of = {}
    return [number_of.setdefault(word, len(number_of)) for word in words], list(number_of)


def test_words_of_any_kind():
    words = ["the", "", "a\nb", "\udcff", "漢字", "the", " ", "\0", "\0\0", "a", "a\0", "", "字漢", "x" * 300]
    numbers = WordNumbers()
    expected, distinct = expected_numbers(words)
    assert numbers.of_words(words).tolist() == expected
    assert numbers.words == distinct
    assert len(numbers) == len(distinct)
    assert numbers.of_words([]).tolist() == []
    assert numbers.of_words(words[::-1]).tolist() == expected[::-1]


@pytest.mark.parametrize("at_once", [3, 1 << 16])
def test_many_words_by_brute_force(monkeypatch, at_once):
    monkeypatch.setattr(word_numbers, "_WORDS_AT_ONCE", at_once)
    rng = random.Random(0)
    # far more words than slots at first, and many at each step
    words = [str(int(rng.expovariate(0.0005))) for _ in range(20_000 if at_once > 3 else 500)]
    expected, distinct = expected_numbers(words)
    numbers = WordNumbers()
    found = [
        number
        for start in range(0, len(words), 999)
        for number in numbers.of_words(words[start : start + 999])
    ]
    assert found == expected
    assert numbers.words == distinct


LINES = [
    "the cat  sat\n\nthe\tdog\n",
    "no line feed at the end",
    "",
    "\n \n",
    " blanks at\x0bboth\x0cends \nand\x1cothers\x1fhere\n",
    "naïve façade\u00a0with\u3000blanks\u2028of Unicode\nend\n",
    "zero\u200bwidth is no blank\n",
]


@pytest.mark.parametrize("text", LINES)
@pytest.mark.parametrize("longest", [None, 2])
def test_lines_are_split_as_python_splits_them(text, longest):
    numbers = WordNumbers()
    lines = HashedLines(text, longest)
    ids, lengths = numbers.of_lines(lines), lines.lengths
    rows = [line.split() for line in text.split("\n")]
    assert lengths.tolist() == [len(row) for row in rows]
    kept = [word for row in rows if longest is None or len(row) <= longest for word in row]
    assert [numbers.words[number] for number in ids] == kept


class OneByOne(Tokenizer):
    """White space by a tokenizer that nobody knows, so that every line is tokenized by itself."""

    def tokenize(self, text):
        return WhitespaceTokenizer().tokenize(text)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"start_tokens": ["<S>"], "end_tokens": ["</S>", "<X>"]},
        {"max_sequence_length": 4, "end_tokens": ["</S>"]},
        {"max_sequence_length": 1, "end_tokens": ["</S>"]},
        {"max_instances": 5},
    ],
)
def test_a_reader_numbers_what_it_reads(tmp_path, options, caplog):
    rng = random.Random(0)
    lines = [" ".join(rng.choices(["a", "bb", "</S>", "Ä"], k=rng.randrange(8))) for _ in range(100)]
    (tmp_path / "text").write_text("\n".join(lines), encoding="utf-8")
    path = str(tmp_path / "text")
    found = []
    with caplog.at_level("INFO"):
        for tokenizer in (WhitespaceTokenizer(), OneByOne()):
            caplog.clear()
            reader = SimpleLanguageModelingDatasetReader(tokenizer, **options)
            numbers = WordNumbers()
            groups = list(reader.numbered_texts(path, numbers))
            ids = [number for group, _ in groups for number in group.tolist()]
            lengths = [length for _, group in groups for length in group.tolist()]
            found.append((ids, lengths, numbers.words, caplog.messages[:]))
    assert found[0] == found[1]
    expected = [instance["source"].words for instance in reader.read(path)]
    assert [found[0][2][number] for number in found[0][0]] == [word for text in expected for word in text]
    assert found[0][1] == list(map(len, expected))
