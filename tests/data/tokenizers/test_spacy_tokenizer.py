from pathlib import Path

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Token, Tokenizer
from nlpreg.data.tokenizers import SpacyTokenizer

spacy = pytest.importorskip("spacy")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a small spaCy model: rules for English words, and a tag for each."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("attribute_ruler", name="tagger_by_rule")
    ruler.add([[{"IS_PUNCT": True}]], {"POS": "PUNCT"})
    ruler.add([[{"IS_ALPHA": True}]], {"POS": "X", "LEMMA": "lemma"})
    folder = tmp_path_factory.mktemp("spacy") / "model"
    nlp.to_disk(folder)
    return str(folder)


def texts(tokens: list[Token]) -> list[str]:
    return [token.ensure_text() for token in tokens]


def test_tokens(model: str) -> None:
    tokens = SpacyTokenizer(model).tokenize("The dog  doesn't\nbark.")
    assert texts(tokens) == ["The", "dog", "does", "n't", "bark", "."]
    assert all(type(token) is Token for token in tokens)
    assert tokens[1] == Token("dog", 4, 7, "lemma", "X", "", "", "")
    assert tokens[-1].pos_ == "PUNCT"
    assert SpacyTokenizer(model).tokenize("") == []


def test_many_texts(model: str) -> None:
    tokenizer = SpacyTokenizer(model)
    both = ["A dog.", "", "Cats"]
    assert tokenizer.batch_tokenize(both) == [tokenizer.tokenize(text) for text in both]


def test_ends(model: str) -> None:
    tokens = SpacyTokenizer(model, start_tokens=["<S>", "<T>"], end_tokens=["</S>"]).tokenize("a dog")
    assert texts(tokens) == ["<S>", "<T>", "a", "dog", "</S>"]
    assert [token.idx for token in tokens] == [0, 0, 0, 2, -1]


def test_splitting_at_blanks_leaves_the_shared_model_alone(model: str) -> None:
    split = SpacyTokenizer(model, split_on_spaces=True)
    tokens = split.tokenize("don't  stop .")
    assert texts(tokens) == ["don't", "stop", "."]
    assert tokens[-1].pos_ == "PUNCT"
    assert [(token.idx, token.idx_end) for token in tokens] == [(0, 5), (7, 11), (12, 13)]
    assert [(token.text, token.idx) for token in split.tokenize("  ä b ")] == [("ä", 2), ("b", 4)]
    assert split.tokenize("") == split.tokenize(" ") == []
    assert texts(SpacyTokenizer(model).tokenize("don't")) == ["do", "n't"]
    assert split.batch_tokenize(["don't"]) == [split.tokenize("don't")]


def test_spacy_tokens_can_be_kept(model: str) -> None:
    tokens = SpacyTokenizer(model, keep_spacy_tokens=True).tokenize("a dog")
    assert [type(token).__module__.split(".")[0] for token in tokens] == ["spacy", "spacy"]


def test_from_config(model: str) -> None:
    tokenizer = Tokenizer.from_params(Params({"language": model, "start_tokens": ["<S>"]}))
    assert isinstance(tokenizer, SpacyTokenizer)
    again = Tokenizer.from_params(tokenizer.to_params())
    assert again.tokenize("a dog") == tokenizer.tokenize("a dog")


def test_a_missing_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_download(name: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr("spacy.cli.download", no_download)
    with pytest.raises(ConfigurationError, match='spaCy model "no_such_model"'):
        SpacyTokenizer("no_such_model")
