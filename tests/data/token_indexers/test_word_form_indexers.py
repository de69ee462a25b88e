import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, Instance, Token, Vocabulary
from nlpreg.data.columns import WordColumn
from nlpreg.data.fields import TextField
from nlpreg.data.fields.field import new_counter
from nlpreg.data.token_indexers import AffixIndexer, CasingIndexer, ShapeIndexer, WordFormIndexer

INDEXERS = [
    AffixIndexer("suffix", 2),
    AffixIndexer("prefix", 4, lowercase_tokens=False),
    CasingIndexer(),
    ShapeIndexer(),
]


@pytest.mark.parametrize(
    ("side", "length", "word", "affix"),
    [
        ("suffix", 3, "running", "ing"),
        ("prefix", 2, "Undo", "un"),
        ("suffix", 4, "a", "a"),
        ("prefix", 1, "", ""),
    ],
)
def test_affixes(side, length, word, affix):
    assert AffixIndexer(side, length).feature_of(word) == affix


def test_affixes_keep_case_if_asked():
    assert AffixIndexer("prefix", 2, lowercase_tokens=False).feature_of("Undo") == "Un"
    assert AffixIndexer("suffix", 4).namespace == "suffix_4"
    assert AffixIndexer(namespace="ends").namespace == "ends"


@pytest.mark.parametrize(
    ("word", "casing"),
    [
        ("dog", "lower"),
        ("don't", "lower"),
        ("Dog", "initial"),
        ("I", "initial"),
        ("A.", "initial"),
        ("USA", "upper"),
        ("U.S.", "upper"),
        ("iPhone", "mixed"),
        ("McDonald", "mixed"),
        ("12", "numeric"),
        ("12,000.5", "numeric"),
        ("10:30", "numeric"),
        ("F-16", "with_digit"),
        ("...", "punctuation"),
        ("", "punctuation"),
        ("東京", "other"),
    ],
)
def test_casing(word, casing):
    assert CasingIndexer().feature_of(word) == casing


@pytest.mark.parametrize(
    ("word", "shape"),
    [("McDonald's", "XxXxx'x"), ("F-16", "X-dd"), ("....", ".."), ("2026", "dd"), ("", "")],
)
def test_shape(word, shape):
    assert ShapeIndexer().feature_of(word) == shape


def test_shape_limits():
    assert ShapeIndexer(max_run=3).feature_of("Running") == "Xxxx"
    assert ShapeIndexer(max_run=1, max_length=3).feature_of("aB1-aB1") == "xXd"


@pytest.mark.parametrize("indexer", INDEXERS, ids=lambda indexer: indexer.namespace)
def test_words_by_the_column_are_as_token_by_token(indexer):
    texts = [["The", "dog", "barks", "dog"], [], ["McDonald", "12"]]
    one_by_one, at_once = new_counter(), new_counter()
    counts: dict[str, int] = {}
    for word in (word for text in texts for word in text):
        indexer.count_vocab_items(Token(word), one_by_one)
        counts[word] = counts.get(word, 0) + 1
    indexer.count_words(counts, at_once)
    assert one_by_one == at_once
    vocab = Vocabulary(counter=one_by_one)
    expected = [indexer.tokens_to_indices([Token(word) for word in text], vocab) for text in texts]
    found = indexer.index_words(WordColumn(texts), vocab)
    assert [list(row["tokens"]) for row in found] == [row["tokens"] for row in expected]


def test_unknown_and_padding_in_a_batch():
    indexer = AffixIndexer("suffix", 2)
    vocab = Vocabulary(counter={"suffix_2": {"og": 2, "at": 1}})
    batch = Batch(
        [
            Instance({"tokens": TextField([Token(word) for word in words], {"suffix": indexer})})
            for words in (["dog", "cat"], ["elk"])
        ]
    )
    batch.index_instances(vocab)
    assert torch.equal(batch.as_tensor_dict()["tokens"]["suffix"]["tokens"], torch.tensor([[2, 3], [1, 0]]))


@pytest.mark.parametrize("indexer", [AffixIndexer(), CasingIndexer(), ShapeIndexer()])
def test_features_are_not_taken_for_words(indexer):
    with pytest.raises(NotImplementedError, match=f"{type(indexer).__name__} has no indices_to_tokens"):
        indexer.indices_to_tokens({"tokens": [1]}, Vocabulary())


def test_wrong_arguments():
    with pytest.raises(ConfigurationError, match="length: expected 1 or more, got 0"):
        AffixIndexer(length=0)
    with pytest.raises(ConfigurationError, match="side must be 'prefix' or 'suffix', got 'middle'"):
        AffixIndexer("middle")
    with pytest.raises(ConfigurationError, match="max_run: expected 1 or more"):
        ShapeIndexer(max_run=0)
    with pytest.raises(NotImplementedError, match="WordFormIndexer has no feature_of"):
        WordFormIndexer("forms").feature_of("dog")
