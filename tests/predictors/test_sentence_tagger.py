import logging
from typing import Any

import numpy
import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import DatasetReader
from nlpreg.data.tokenizers import (
    EnglishTokenizer,
    LettersDigitsTokenizer,
    Token,
    Tokenizer,
    WhitespaceTokenizer,
)
from nlpreg.models import SimpleTagger
from nlpreg.predictors import SentenceTaggerPredictor
from nlpreg.predictors import predictor as predictor_module


@pytest.fixture(autouse=True)
def no_spacy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_module, "_has_spacy_model", lambda language: False)
    monkeypatch.setattr(predictor_module, "_announced_languages", set())


def test_tags_of_a_sentence(tagger: SimpleTagger, tagging_reader: DatasetReader) -> None:
    result = SentenceTaggerPredictor(tagger, tagging_reader).predict("the dog ate.")
    assert result["words"] == ["the", "dog", "ate", "."]
    assert len(result["tags"]) == 4 and set(result["tags"]) <= set(
        tagger.vocab.get_token_to_index_vocabulary("labels")
    )


def test_the_choice_of_the_tokenizer(
    tagger: SimpleTagger,
    tagging_reader: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with caplog.at_level(logging.INFO, "nlpreg.predictors"):
        for _ in range(2):
            predictor = SentenceTaggerPredictor(tagger, tagging_reader, "en_of_this_test")
            assert isinstance(predictor._tokenizer, EnglishTokenizer)
        predictor = SentenceTaggerPredictor(tagger, tagging_reader, "fr_of_this_test")
        assert isinstance(predictor._tokenizer, LettersDigitsTokenizer)
    # once for each language; a warning only where the rules are those of another language
    english, french = caplog.records
    assert english.levelno == logging.INFO and french.levelno == logging.WARNING
    assert "by the rules of the tokenizer 'english'" in english.getMessage()
    assert "by the rules of the tokenizer 'letters_digits'" in french.getMessage()
    caplog.clear()
    given = WhitespaceTokenizer()
    assert SentenceTaggerPredictor(tagger, tagging_reader, tokenizer=given)._tokenizer is given
    for name in ("tokenizer", "_tokenizer"):
        with monkeypatch.context() as patch:
            patch.setattr(tagging_reader, name, given, raising=False)
            assert SentenceTaggerPredictor(tagger, tagging_reader)._tokenizer is given

    class Spacy(Tokenizer):
        def __init__(self, language: str) -> None:
            self.language = language

    monkeypatch.setattr(predictor_module, "_has_spacy_model", lambda language: language == "de_model")
    monkeypatch.setattr(predictor_module, "SpacyTokenizer", Spacy)
    chosen = SentenceTaggerPredictor(tagger, tagging_reader, "de_model")._tokenizer
    assert isinstance(chosen, Spacy) and chosen.language == "de_model"
    assert caplog.text == ""


@pytest.mark.parametrize("value", [{}, {"sentence": 3}, [1], "a"])
def test_input_without_a_sentence(value: Any, tagger: SimpleTagger, tagging_reader: DatasetReader) -> None:
    with pytest.raises(ConfigurationError, match='expected an object such as {"sentence": "A text."}'):
        SentenceTaggerPredictor(tagger, tagging_reader).predict_json(value)


def test_a_labelled_instance_for_each_entity(tagger: SimpleTagger, tagging_reader: DatasetReader) -> None:
    predictor = SentenceTaggerPredictor(tagger, tagging_reader)
    words = ["Zoë", "lives", "in", "New", "York", "."]
    instance = tagging_reader.text_to_instance([Token(word) for word in words])
    tagging_reader.apply_token_indexers(instance)
    instance.index_fields(tagger.vocab)
    tags = ["U-PER", "O", "O", "B-LOC", "L-LOC", "O", "O"]  # the last one belongs to padding
    results = predictor.predictions_to_labeled_instances(instance, {"tags": numpy.array(tags)})
    assert [list(result["tags"].labels) for result in results] == [
        ["U-PER", "O", "O", "O", "O", "O"],
        ["O", "O", "O", "B-LOC", "L-LOC", "O"],
    ]
    assert all(result["ignore_loss_on_o_tags"].flag_value is True for result in results)
    assert "tags" not in instance.fields
    assert results[0].as_tensor_dict()["tags"].tolist() == [5, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("tags", "count"),
    [([], 0), (["O"], 0), (["B-LOC", "I-LOC", "L-LOC"], 1), (["L-LOC", "B-LOC"], 0), (["U-A", "U-B"], 2)],
)
def test_entities(tags: list[str], count: int, tagger: SimpleTagger, tagging_reader: DatasetReader) -> None:
    instance = tagging_reader.text_to_instance([Token("x") for _ in tags])
    predictor = SentenceTaggerPredictor(tagger, tagging_reader)
    assert len(predictor.predictions_to_labeled_instances(instance, {"tags": tags})) == count


def test_other_tags_have_no_entities(tagger: SimpleTagger, tagging_reader: DatasetReader) -> None:
    instance = tagging_reader.text_to_instance([Token("x")])
    predictor = SentenceTaggerPredictor(tagger, tagging_reader)
    with pytest.raises(ConfigurationError, match="expected BIOUL tags, such as O or B-PER, got 'VERB'"):
        predictor.predictions_to_labeled_instances(instance, {"tags": ["VERB"]})


def test_a_text_under_another_key_is_named(tagger: SimpleTagger, tagging_reader: DatasetReader) -> None:
    with pytest.raises(
        ConfigurationError, match='has the text under "text", but this predictor reads "sentence"'
    ):
        SentenceTaggerPredictor(tagger, tagging_reader).predict_json({"text": "a"})
