"""Classifies texts."""

from typing import Any

import numpy

from nlpreg.common.util import JsonDict
from nlpreg.data import Instance
from nlpreg.data.fields import LabelField
from nlpreg.predictors import predictor
from nlpreg.predictors.predictor import Predictor, SentencePredictor


@Predictor.register("text_classifier")
class TextClassifierPredictor(SentencePredictor):
    """Classifies texts: `{"sentence": "What a film!"}`.

    A reader with a tokenizer gets the text as it is, any other gets the words. A reader of several texts, such as `boolq`,
    gets them by their names: `{"passage": "The film is new.", "question": "Is it old?"}`.

    Args:
        model: a classifier.
        dataset_reader: makes an instance from a text or a list of tokens.
        language: the spaCy model, for a reader without a tokenizer.
        tokenizer: splits texts into words, for a reader without a tokenizer.
        frozen: whether to put the model into evaluation mode.
    """

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        reader = self._dataset_reader
        texts = [
            name
            for name, one in predictor.reader_signature(reader).parameters.items()
            if one.annotation is str
        ]
        if len(texts) > 1:
            return predictor.make_instance(
                reader, **{name: predictor.sentence_of(json_dict, name) for name in texts}
            )
        sentence = predictor.sentence_of(json_dict)
        # The reader may do more with a text than split it: truncate it, or segment it into sentences.
        if predictor.tokenizer_of(reader) is not None:
            return predictor.make_instance(reader, sentence)
        return predictor.make_instance(reader, self._tokenizer.tokenize(sentence))

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
