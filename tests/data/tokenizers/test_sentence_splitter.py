import pytest

from nlpreg.common import Params
from nlpreg.data.tokenizers import SentenceSplitter, SpacySentenceSplitter

spacy = pytest.importorskip("spacy")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a model that starts a sentence at each capital letter."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", config={"punct_chars": [";"]})
    folder = tmp_path_factory.mktemp("spacy") / "model"
    nlp.to_disk(folder)
    return str(folder)


TEXT = "A dog; it barks. Does it? Yes!  "


def test_the_model_decides(model: str) -> None:
    assert SpacySentenceSplitter(model).split_sentences(TEXT) == ["A dog;", "it barks. Does it? Yes!"]


def test_rules_leave_the_shared_model_alone(model: str) -> None:
    splitter = SpacySentenceSplitter(model, rule_based=True)
    expected = ["A dog; it barks.", "Does it?", "Yes!"]
    assert splitter.split_sentences(TEXT) == expected
    assert splitter.batch_split_sentences([TEXT, "", "One."]) == [expected, [], ["One."]]
    assert SpacySentenceSplitter(model).split_sentences(TEXT) != expected


def test_from_config(model: str) -> None:
    splitter = SentenceSplitter.from_params(Params({"language": model, "rule_based": True}))
    assert isinstance(splitter, SpacySentenceSplitter)
    assert splitter.to_params().as_dict(quiet=True) == {
        "type": "spacy",
        "language": model,
        "rule_based": True,
    }


def test_what_must_be_written() -> None:
    with pytest.raises(NotImplementedError, match="has no split_sentences"):
        SentenceSplitter().split_sentences("x")

    class Lines(SentenceSplitter):
        def split_sentences(self, text: str) -> list[str]:
            return text.split("\n")

    assert Lines().batch_split_sentences(["a\nb", "c"]) == [["a", "b"], ["c"]]
