from typing import Any

import numpy
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.dataset_readers import TextClassificationJsonReader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.fields import TextField
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.data.tokenizers import EnglishTokenizer, Token, WhitespaceTokenizer
from nlpreg.models import BasicClassifier
from nlpreg.modules.seq2vec_encoders import BagOfEmbeddingsEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.predictors import TextClassifierPredictor
from nlpreg.predictors import predictor as predictor_module
from nlpreg.predictors.predictor import make_instance, reader_signature


@pytest.fixture
def classifier() -> BasicClassifier:
    torch.manual_seed(1)
    vocab = Vocabulary()
    for word in ("a", "good", "film"):
        vocab.add_token_to_namespace(word)
    for label in ("pos", "neg"):
        vocab.add_token_to_namespace(label, "labels")
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=3, num_embeddings=5)})
    return BasicClassifier(vocab, embedder, BagOfEmbeddingsEncoder(3))


class WordReader(DatasetReader):
    """A reader that wants words."""

    def text_to_instance(self, tokens: list[Token]) -> Instance:
        assert all(isinstance(token, Token) for token in tokens)
        return Instance({"tokens": TextField(tokens, {"tokens": SingleIdTokenIndexer()})})


class PairReader(WordReader):
    """A reader of two texts whose annotations are strings, as under `from __future__ import annotations`."""

    def text_to_instance(self, first: "str", second: "str") -> "Instance":
        return super().text_to_instance([Token(word) for word in f"{first} {second}".split()])


def test_annotations_of_a_reader_may_be_strings(classifier: BasicClassifier) -> None:
    predictor = TextClassifierPredictor(classifier, PairReader())
    answer = predictor.predict_json({"first": "a good", "second": "film"})
    assert answer["tokens"] == ["a", "good", "film"]
    with pytest.raises(
        ConfigurationError, match=r"PairReader takes a text \(first\), but this predictor gives it words"
    ):
        make_instance(PairReader(), [Token("a")], "film")


def test_the_signature_of_a_reader_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    signature = reader_signature(WordReader())
    monkeypatch.setattr(predictor_module.inspect, "signature", None)
    assert reader_signature(WordReader()) is signature and list(signature.parameters) == ["tokens"]


def test_a_decorator_may_hide_the_arguments_of_a_reader() -> None:
    def decorated(*args: Any, **kwargs: Any) -> Instance:
        return WordReader.text_to_instance(*args, **kwargs)

    class Decorated(WordReader):
        text_to_instance = decorated

    assert len(make_instance(Decorated(), [Token("a"), Token("film")])["tokens"]) == 2


def test_a_reader_with_a_tokenizer_gets_the_text(classifier: BasicClassifier) -> None:
    reader = TextClassificationJsonReader(tokenizer=WhitespaceTokenizer())
    result = TextClassifierPredictor(classifier, reader).predict("a good film!")
    assert result["label"] in ("pos", "neg")
    assert sum(result["probs"]) == pytest.approx(1)
    assert result["tokens"][:2] == ["a", "good"] and len(result["tokens"]) == 3
    brief = TextClassifierPredictor(classifier, reader).brief(result)
    assert list(brief) == ["label", "probability", "tokens"]
    assert brief["probability"] == max(result["probs"])


def test_a_model_with_nothing_but_raw_outputs_shows_them(classifier: BasicClassifier) -> None:
    """As a user's model does that does not override `make_output_human_readable`."""
    raw = {"logits": [0.5, 0.1], "probs": [0.6, 0.4]}
    assert TextClassifierPredictor(classifier, WordReader()).brief(raw) == raw


def test_a_reader_without_one_gets_words(
    classifier: BasicClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor_module, "_has_spacy_model", lambda language: False)
    predictor = TextClassifierPredictor(classifier, WordReader())
    assert len(predictor.predict("a good film!")["tokens"]) == 4
    assert isinstance(predictor._tokenizer, EnglishTokenizer)
    predictor = TextClassifierPredictor(classifier, WordReader(), tokenizer=WhitespaceTokenizer())
    assert len(predictor.predict("a good film!")["tokens"]) == 3


def test_the_prediction_as_a_label(classifier: BasicClassifier) -> None:
    reader = TextClassificationJsonReader(tokenizer=WhitespaceTokenizer())
    predictor = TextClassifierPredictor(classifier, reader)
    (instance,) = predictor.json_to_labeled_instances({"sentence": "a film"})
    label = instance["label"]
    outputs = classifier.forward_on_instance(instance)
    assert label.label == numpy.argmax(outputs["probs"])
    assert label.as_tensor({}).item() == label.label
