"""Predicts how a text continues."""

from typing import Any

import numpy

from nlpreg.common.util import JsonDict
from nlpreg.data import Instance, Token
from nlpreg.data.fields import TextField
from nlpreg.predictors.predictor import Predictor, make_instance, sentence_of


@Predictor.register("next_token_lm")
class NextTokenLMPredictor(Predictor):
    """Continues texts: `{"sentence": "The dog ate the"}`."""

    def predict(self, sentence: str) -> JsonDict:
        """The most probable continuations of one text."""
        return self.predict_json({"sentence": sentence})

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        return make_instance(self._dataset_reader, sentence=sentence_of(json_dict))

    def predictions_to_labeled_instances(
        self, instance: Instance, outputs: dict[str, numpy.ndarray[Any, Any]]
    ) -> list[Instance]:
        """A copy of the instance whose target is the most probable next token."""
        text = instance["tokens"]
        assert isinstance(text, TextField)
        best = str(outputs["top_tokens"][0][0])
        copy = instance.duplicate()
        copy.add_field("target_ids", TextField([Token(best)], text.token_indexers), self._model.vocab)
        return [copy]
