"""Predicts the masked words of a text."""

from typing import Any

import numpy

from nlpreg.common.util import JsonDict
from nlpreg.data import Instance, Token
from nlpreg.data.fields import TextField
from nlpreg.predictors.predictor import Predictor, sentence_of


@Predictor.register("masked_language_model")
class MaskedLanguageModelPredictor(Predictor):
    """Fills gaps: `{"sentence": "The [MASK] ate the apple"}`; `tokens` may be given in place of the sentence."""

    def predict(self, sentence_with_masks: str) -> JsonDict:
        """The most probable words for each `[MASK]` of a text."""
        return self.predict_json({"sentence": sentence_with_masks})

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        reader: Any = self._dataset_reader
        given = json_dict.get("tokens") if isinstance(json_dict, dict) else None
        instance: Instance
        if isinstance(given, list):
            instance = reader.text_to_instance(tokens=[Token(str(text)) for text in given])
        else:
            instance = reader.text_to_instance(sentence=sentence_of(json_dict))
        return instance

    def predictions_to_labeled_instances(
        self, instance: Instance, outputs: dict[str, numpy.ndarray[Any, Any]]
    ) -> list[Instance]:
        """A copy of the instance whose targets are the best word of each gap."""
        text = instance["tokens"]
        assert isinstance(text, TextField)
        best = [Token(str(words[0])) for words in outputs["words"]]
        copy = instance.duplicate()
        copy.add_field("target_ids", TextField(best, text.token_indexers), self._model.vocab)
        return [copy]
