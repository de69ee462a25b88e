"""The embedded treebank is valid CoNLL-U and holds what its README and the quickstart promise."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

DATA = Path(__file__).parents[2] / "training_configs" / "data"
PARTS = ("train", "dev")
UPOS = set("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())  # noqa: SIM905
TUTORIAL = {
    ("The", "dog", "ate", "the", "apple"): ["DET", "NOUN", "VERB", "DET", "NOUN"],
    ("Everybody", "read", "that", "book"): ["PRON", "VERB", "DET", "NOUN"],
}


class Sentence(NamedTuple):
    """One block of the file: its comments by key, and its lines as columns, ranges included."""

    comments: dict[str, str]
    rows: list[list[str]]

    @property
    def words(self) -> list[list[str]]:
        return [row for row in self.rows if row[0].isdigit()]

    @property
    def forms(self) -> list[str]:
        return [row[1] for row in self.words]

    @property
    def tags(self) -> list[str]:
        return [row[3] for row in self.words]


def read(part: str) -> list[Sentence]:
    content = (DATA / f"{part}.conllu").read_bytes().decode("utf-8")
    assert "\r" not in content and content.endswith("\n\n") and "\n\n\n" not in content
    sentences = []
    for block in content.removesuffix("\n\n").split("\n\n"):
        lines = block.split("\n")
        comments = dict(line[2:].split(" = ", 1) for line in lines if line.startswith("# "))
        sentences.append(Sentence(comments, [line.split("\t") for line in lines if not line.startswith("#")]))
    return sentences


def bare(sentence: Sentence) -> tuple[str, ...]:
    """The words in lower case without punctuation: what makes two sentences alike."""
    pairs = zip(sentence.forms, sentence.tags, strict=True)
    return tuple(form.lower() for form, tag in pairs if tag != "PUNCT")


def surface(sentence: Sentence) -> str:
    """The text that the lines spell out: a range stands for the words that it covers."""
    text, covered_to = "", 0
    for columns in sentence.rows:
        first, _, last = columns[0].partition("-")
        if int(first) > covered_to:
            covered_to = int(last or first)
            text += columns[1] + ("" if columns[9] == "SpaceAfter=No" else " ")
    return text.removesuffix(" ")


@pytest.mark.parametrize(("part", "least"), [("train", 400), ("dev", 80)])
def test_there_are_enough_sentences_of_natural_length(part: str, least: int) -> None:
    lengths = [len(sentence.words) for sentence in read(part)]
    assert len(lengths) >= least
    assert min(lengths) >= 2 and max(lengths) <= 35
    assert 8 <= sum(lengths) / len(lengths) <= 12


@pytest.mark.parametrize("part", PARTS)
def test_every_line_is_well_formed(part: str) -> None:
    for number, sentence in enumerate(read(part), start=1):
        assert sentence.comments["sent_id"] == f"{part}-{number:03d}"
        assert [row[0] for row in sentence.words] == [str(i + 1) for i in range(len(sentence.words))]
        for columns in sentence.rows:
            assert len(columns) == 10 and all(column and column == column.strip() for column in columns)
            assert columns[4:9] == ["_"] * 5 and columns[9] in ("_", "SpaceAfter=No")
        for columns in sentence.words:
            assert columns[3] in UPOS, columns
            assert columns[2] != "_", columns


@pytest.mark.parametrize("part", PARTS)
def test_multiword_tokens_stand_before_the_words_that_they_join(part: str) -> None:
    ranges = 0
    for sentence in read(part):
        for row, columns in enumerate(sentence.rows):
            if columns[0].isdigit():
                continue
            first, last = map(int, columns[0].split("-"))
            assert first < last and sentence.rows[row + 1][0] == str(first)
            assert columns[1] == "".join(sentence.forms[first - 1 : last])
            assert columns[2:9] == ["_"] * 7
            ranges += 1
    assert ranges >= 5


@pytest.mark.parametrize("part", PARTS)
def test_the_text_comment_agrees_with_the_words(part: str) -> None:
    for sentence in read(part):
        assert sentence.comments["text"] == surface(sentence)


@pytest.mark.parametrize("part", PARTS)
def test_every_tag_occurs(part: str) -> None:
    assert {tag for sentence in read(part) for tag in sentence.tags} == UPOS


def test_no_two_sentences_are_alike() -> None:
    counts = Counter(bare(sentence) for part in PARTS for sentence in read(part))
    assert [words for words, count in counts.items() if count > 1] == []


def test_the_tutorial_sentences_are_in_the_dev_part_only() -> None:
    train, dev = ({bare(s): s.tags for s in read(part)} for part in PARTS)
    for words, tags in TUTORIAL.items():
        key = tuple(word.lower() for word in words)
        assert dev[key] == tags
        assert key not in train


def test_the_training_part_teaches_the_words_of_the_tutorial() -> None:
    train = Counter(pair for s in read("train") for pair in zip(s.forms, s.tags, strict=True))
    for words, tags in TUTORIAL.items():
        for pair in zip(words, tags, strict=True):
            assert train[pair] >= 3, pair


def test_the_readme_counts_the_files() -> None:
    sentences = {part: read(part) for part in PARTS}
    tags = {part: Counter(tag for s in sentences[part] for tag in s.tags) for part in PARTS}
    expected = {tag: [tags[part][tag] for part in PARTS] for tag in UPOS} | {
        "sentences": [len(sentences[part]) for part in PARTS],
        "words": [sum(tags[part].values()) for part in PARTS],
        "multiword tokens": [sum(len(s.rows) - len(s.words) for s in sentences[part]) for part in PARTS],
    }
    table = re.findall(
        r"^\| `?([\w ]+?)`? \| (\d+) \| (\d+) \|$",
        (DATA / "README.md").read_text("utf-8"),
        flags=re.MULTILINE,
    )
    assert {name: [int(train), int(dev)] for name, train, dev in table} == expected


@pytest.mark.oracle
@pytest.mark.parametrize("part", PARTS)
def test_a_second_parser_reads_the_same_words(part: str) -> None:
    conllu = pytest.importorskip("conllu")
    parsed = conllu.parse((DATA / f"{part}.conllu").read_text("utf-8"))
    ours = read(part)
    assert len(parsed) == len(ours)
    for theirs, sentence in zip(parsed, ours, strict=True):
        words = [token for token in theirs if isinstance(token["id"], int)]
        assert [(w["form"], w["upos"], w["lemma"]) for w in words] == [
            (columns[1], columns[3], columns[2]) for columns in sentence.words
        ]
        assert theirs.metadata["text"] == sentence.comments["text"]
