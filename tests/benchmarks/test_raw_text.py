"""The evaluation of raw text counts as the CoNLL 2018 shared task does, and the rules for English are good enough by it."""

from pathlib import Path
from types import ModuleType

import pytest

from nlpreg.data.tokenizers import EnglishSentenceSplitter, EnglishTokenizer, WhitespaceTokenizer
from nlpreg.data.tokenizers.sentence_splitter import SentenceSplitter

ROOT = Path(__file__).parents[2]

TREEBANK = """# newdoc id = a
# text = I can't go.
1\tI\t_\t_\t_\t_\t_\t_\t_\t_
2-3\tcan't\t_\t_\t_\t_\t_\t_\t_\t_
2\tca\t_\t_\t_\t_\t_\t_\t_\t_
3\tn't\t_\t_\t_\t_\t_\t_\t_\t_
3.1\tever\t_\t_\t_\t_\t_\t_\t_\t_
4\tgo\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
5\t.\t_\t_\t_\t_\t_\t_\t_\t_

# text = So?
1\tSo\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
2\t?\t_\t_\t_\t_\t_\t_\t_\t_

# newpar id = b
# text = 10 000
1\t10 000\t_\t_\t_\t_\t_\t_\t_\t_
"""


@pytest.fixture
def raw_text(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return __import__("raw_text")


class WholeParagraph(SentenceSplitter):
    def split_sentences(self, text: str) -> list[str]:
        return [text]


def test_paragraphs_and_positions(raw_text: ModuleType) -> None:
    first, second = raw_text.paragraphs(TREEBANK)
    assert first.text == "I can't go. So?" and first.sentences == [(0, 9), (9, 12)]
    assert first.tokens[1] == ((1, 6), ["ca", "n't"]) and first.tokens[2] == ((6, 8), ["go"])
    assert second.tokens == [((0, 5), ["10 000"])]


def test_scores_by_hand(raw_text: ModuleType) -> None:
    # English rules: every word but the number, which is two; 8 gold, 9 found, 7 right
    found = raw_text.scores(TREEBANK, EnglishSentenceSplitter(), EnglishTokenizer())
    assert found == {"words": pytest.approx(2 * 7 / 17), "sentences": 1.0}
    # white space: "I" alone is right of I, can't, go., So?, 10, 000; of sentences only that of the second paragraph
    found = raw_text.scores(TREEBANK, WholeParagraph(), WhitespaceTokenizer())
    assert found == {"words": pytest.approx(2 * 1 / 14), "sentences": pytest.approx(2 * 1 / 5)}


def test_within_a_multiword_token_a_subsequence_counts(raw_text: ModuleType) -> None:
    gold = [((0, 6), ["va", "mos", "nos"])]
    assert raw_text.num_right_words(gold, [(0, 2), (2, 6)], ["Va", "nos"]) == 2
    assert raw_text.num_right_words(gold, [(0, 3), (3, 7)], ["nos", "va"]) == 1, (
        "the second one is not inside"
    )
    assert raw_text.num_right_words(gold, [(0, 3), (3, 6)], ["nos", "va"]) == 1, "the order counts"


def test_english_rules_on_the_treebank_that_comes_along(raw_text: ModuleType) -> None:
    text = (ROOT / "training_configs" / "data" / "dev.conllu").read_text(encoding="utf-8")
    assert raw_text.scores(text, EnglishSentenceSplitter(), EnglishTokenizer())["words"] > 0.98


@pytest.mark.parametrize("part", ["dev", "test"])
def test_english_rules_on_ewt(part: str, raw_text: ModuleType, shared_data: Path) -> None:
    text = (shared_data / "ud_english_ewt" / f"{part}.conllu").read_text(encoding="utf-8")
    found = raw_text.scores(text, EnglishSentenceSplitter(), EnglishTokenizer())
    assert found["words"] > 0.985 and found["sentences"] > 0.75
