import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import StanfordSentimentTreeBankDatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError
from nlpreg.data.tokenizers import LettersDigitsTokenizer, Token

TEXT = "(3 (2 It) (4 (2 's) (4 schön)))\n\n(2 (2 so-so) (2 .))\n(0 (1 bad) (2 film))\n"


def found(instances):
    return [(" ".join(i["tokens"].human_readable_repr()), i["label"].label) for i in instances]


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        ("5-class", [("It 's schön", "3"), ("so-so .", "2"), ("bad film", "0")]),
        ("3-class", [("It 's schön", "2"), ("so-so .", "1"), ("bad film", "0")]),
        ("2-class", [("It 's schön", "1"), ("bad film", "0")]),
    ],
)
def test_granularities(read, granularity, expected):
    assert found(read(StanfordSentimentTreeBankDatasetReader(granularity=granularity), TEXT)) == expected


def test_every_phrase(read):
    instances = read(StanfordSentimentTreeBankDatasetReader(use_subtrees=True), TEXT.split("\n")[0] + "\n")
    assert found(instances) == [
        ("It 's schön", "3"),
        ("It", "2"),
        ("'s schön", "4"),
        ("'s", "2"),
        ("schön", "4"),
    ]


def test_words_split_anew(read):
    reader = StanfordSentimentTreeBankDatasetReader(tokenizer=LettersDigitsTokenizer())
    assert found(read(reader, TEXT))[1] == ("so - so .", "2")
    assert reader.text_to_instance("a text")["tokens"].human_readable_repr() == ["a", "text"]


def test_text_to_instance_without_tokenizer():
    reader = StanfordSentimentTreeBankDatasetReader(granularity="2-class")
    assert reader.text_to_instance(["a"], "2") is None
    assert reader.text_to_instance([Token("a")], "4")["label"].label == "1"
    assert "label" not in reader.text_to_instance(["a"])
    with pytest.raises(AssertionError, match="got a text and no tokenizer"):
        reader.text_to_instance("a text")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("(3 (2 It) (4 good)", "more brackets opened than closed"),
        ("(3 It))", "text after the last bracket"),
        ("(3 )", "a node without words"),
        ("(3 ((2 a)))", "a node without label|a node without a label"),
        ("It is", "text before the first bracket"),
        ("()", "a node without a label"),
        (")", "more brackets closed than opened"),
        ("(7 It)", "expected sentiments from 0 to 4, got '7'"),
    ],
)
def test_broken_trees_are_located(read, line, message):
    with pytest.raises(DataError, match=rf"line 2: .*({message})"):
        read(StanfordSentimentTreeBankDatasetReader(), "(1 a)\n" + line + "\n")
    reader = StanfordSentimentTreeBankDatasetReader(skip_bad_lines=True)
    assert found(read(reader, "(1 a)\n" + line + "\n")) == [("a", "1")]


def test_bad_granularity():
    with pytest.raises(
        ConfigurationError, match="granularity must be one of '5-class', '3-class', '2-class', got '7'"
    ):
        StanfordSentimentTreeBankDatasetReader(granularity="7")
