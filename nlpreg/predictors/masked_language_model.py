"""Predicts the masked words of a text."""

from typing import Any

import numpy

from nlpreg.common.util import JsonDict
from nlpreg.data import Instance, Token
from nlpreg.predictors.next_token_lm import with_target_ids
from nlpreg.predictors.predictor import Predictor, make_instance, sentence_of


@Predictor.register("masked_language_model")
class MaskedLanguageModelPredictor(Predictor):
    """Fills gaps: `{"sentence": "The [MASK] ate the apple"}`; `tokens` may be given in place of the sentence."""

    def predict(self, sentence_with_masks: str) -> JsonDict:
        """The most probable words for each `[MASK]` of a text."""
        return self.predict_json({"sentence": sentence_with_masks})

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        given = json_dict.get("tokens") if isinstance(json_dict, dict) else None
        if isinstance(given, list):
            return make_instance(self._dataset_reader, tokens=[Token(str(text)) for text in given])
        return make_instance(self._dataset_reader, sentence=sentence_of(json_dict))

    def predictions_to_labeled_instances(
        self, instance: Instance, outputs: dict[str, numpy.ndarray[Any, Any]]
    ) -> list[Instance]:
        """A copy of the instance whose targets are the best word of each gap."""
        best = [str(words[0]) for words in outputs["words"]]
        return [with_target_ids(instance, best, self._model.vocab)]
