"""Classifies texts."""

from typing import Any

import numpy

from nlpreg.common.util import JsonDict
from nlpreg.data import DatasetReader, Instance, Tokenizer
from nlpreg.data.fields import LabelField
from nlpreg.models.model import Model
from nlpreg.predictors.predictor import Predictor, choose_tokenizer, sentence_of, tokenizer_of


@Predictor.register("text_classifier")
class TextClassifierPredictor(Predictor):
    """Classifies texts: `{"sentence": "What a film!"}`.

    A reader with a tokenizer gets the text as it is, any other gets the words.

    Args:
        model: a classifier.
        dataset_reader: makes an instance from a text or a list of tokens.
        language: the spaCy model, for a reader without a tokenizer.
        tokenizer: splits texts into words, for a reader without a tokenizer.
        frozen: whether to put the model into evaluation mode.
    """

    def __init__(
        self,
        model: Model,
        dataset_reader: DatasetReader,
        language: str = "en_core_web_sm",
        tokenizer: Tokenizer | None = None,
        frozen: bool = True,
    ) -> None:
        super().__init__(model, dataset_reader, frozen)
        self._language = language
        self._tokenizer = tokenizer

    def predict(self, sentence: str) -> JsonDict:
        """The label of one text."""
        return self.predict_json({"sentence": sentence})

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        sentence = sentence_of(json_dict)
        # The reader may do more with a text than split it: truncate it, or segment it into sentences.
        if tokenizer_of(self._dataset_reader) is not None:
            return self._dataset_reader.text_to_instance(sentence)
        if self._tokenizer is None:
            self._tokenizer = choose_tokenizer(self._dataset_reader, self._language)
        return self._dataset_reader.text_to_instance(self._tokenizer.tokenize(sentence))

    def brief(self, outputs: JsonDict) -> JsonDict:
        """The label and its probability; with the tokens, where the model gives them."""
        probabilities = outputs.get("probs", outputs.get("class_probabilities"))
        if "label" not in outputs or not isinstance(probabilities, list):
            return super().brief(outputs)
        best = {"label": outputs["label"], "probability": max(probabilities)}
        return {**best, **super().brief(outputs)}

    def predictions_to_labeled_instances(
        self, instance: Instance, outputs: dict[str, numpy.ndarray[Any, Any]]
    ) -> list[Instance]:
        """A copy of the instance whose `label` is the number of the most probable class."""
        copy = instance.duplicate()
        copy.add_field("label", LabelField(int(numpy.argmax(outputs["probs"])), skip_indexing=True))
        return [copy]
