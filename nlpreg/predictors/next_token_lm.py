"""Predicts how a text continues."""

from collections.abc import Sequence
from typing import Any

import numpy

from nlpreg.common.util import JsonDict
from nlpreg.data import Instance, Token, Vocabulary
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
        return [with_target_ids(instance, [str(outputs["top_tokens"][0][0])], self._model.vocab)]


def with_target_ids(instance: Instance, words: Sequence[str], vocab: Vocabulary) -> Instance:
    """A copy of an instance of a text, `tokens`, whose targets are these words."""
    text = instance["tokens"]
    assert isinstance(text, TextField)
    copy = instance.duplicate()
    targets = TextField([Token(word) for word in words], text.token_indexers)
    copy.add_field("target_ids", targets, vocab)
    return copy
