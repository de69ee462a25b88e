from typing import Any

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Instance, Vocabulary
from nlpreg.data.dataset_readers import DatasetReader, MultiTaskDatasetReader
from nlpreg.data.fields import LabelField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.data.tokenizers import WhitespaceTokenizer
from nlpreg.models import ClassifierHead, MultiTaskModel
from nlpreg.modules.backbones import TextBackbone
from nlpreg.modules.seq2vec_encoders import BagOfEmbeddingsEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.predictors import MultiTaskPredictor


class Reader(DatasetReader):
    """Reads a text with a label."""

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = WhitespaceTokenizer()

    def text_to_instance(self, text: str, label: str | None = None) -> Instance:
        fields: dict[str, Any] = {"text": TextField(self.tokenizer.tokenize(text))}
        if label is not None:
            fields["label"] = LabelField(label)
        return Instance(fields)

    def apply_token_indexers(self, instance: Instance) -> None:
        instance["text"].token_indexers = {"tokens": SingleIdTokenIndexer()}


class Head(ClassifierHead):
    default_predictor = "text_classifier"


@pytest.fixture
def model() -> MultiTaskModel:
    torch.manual_seed(2)
    vocab = Vocabulary()
    for word in ["a", "b", "c", "d"]:
        vocab.add_token_to_namespace(word)
    for label in ("yes", "no"):
        vocab.add_token_to_namespace(label, "labels")
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=3, num_embeddings=6)})
    heads = {name: Head(vocab, BagOfEmbeddingsEncoder(3)) for name in ("mood", "topic")}
    return MultiTaskModel(vocab, TextBackbone(embedder), heads)


@pytest.fixture
def predictor(model: MultiTaskModel) -> MultiTaskPredictor:
    return MultiTaskPredictor(model, MultiTaskDatasetReader({"mood": Reader(), "topic": Reader()}))


def test_each_task_has_its_outputs(predictor: MultiTaskPredictor) -> None:
    result = predictor.predict_json({"task": "mood", "sentence": "a b"})
    assert result["mood_label"] in ("yes", "no")
    assert "topic_label" not in result


def test_results_come_in_the_order_of_the_inputs(predictor: MultiTaskPredictor) -> None:
    texts = [("mood", "a"), ("topic", "b c"), ("mood", "d d d"), ("topic", "a")]
    inputs = [{"task": task, "sentence": text} for task, text in texts]
    together = predictor.predict_batch_json(inputs)
    for (task, _), single, one_of_many in zip(
        texts, map(predictor.predict_json, inputs), together, strict=True
    ):
        assert one_of_many[f"{task}_probs"] == pytest.approx(single[f"{task}_probs"], abs=1e-6)


@pytest.mark.parametrize("value", [{"sentence": "a"}, {"task": "other", "sentence": "a"}, "a"])
def test_unknown_tasks(value: Any, predictor: MultiTaskPredictor) -> None:
    with pytest.raises(ConfigurationError, match="expected \"task\" to be one of 'mood', 'topic'"):
        predictor.predict_json(value)


def test_models_and_readers_of_one_task(model: MultiTaskModel) -> None:
    with pytest.raises(ConfigurationError, match="got MultiTaskModel and Reader"):
        MultiTaskPredictor(model, Reader())
    with pytest.raises(ConfigurationError, match="needs a model and a reader of type 'multitask'"):
        MultiTaskPredictor(model._heads["mood"], MultiTaskDatasetReader({"mood": Reader()}))
