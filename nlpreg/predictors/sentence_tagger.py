"""Tags the words of a sentence."""

from typing import Any

import numpy

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.util import JsonDict
from nlpreg.data import Instance, Token
from nlpreg.data.fields import FlagField, SequenceLabelField, TextField
from nlpreg.predictors.predictor import Predictor, SentencePredictor, make_instance, sentence_of


@Predictor.register("sentence_tagger")
class SentenceTaggerPredictor(SentencePredictor):
    """Tags sentences: `{"sentence": "The dog ate the apple"}`, or `{"words": ["The", "dog", ...]}`.

    The reader's `text_to_instance` gets the words. The tokenizer that splits a sentence is the one given here, else the
    reader's own, else spaCy's if its model is installed, else one by rules: `english`, or `letters_digits` where
    `language` is another one.

    Args:
        model: a tagger.
        dataset_reader: makes an instance from a list of tokens.
        language: the spaCy model.
        tokenizer: splits sentences into words.
        frozen: whether to put the model into evaluation mode.
    """

    def brief(self, outputs: JsonDict) -> JsonDict:
        """Words and tags, then the other readable outputs of the model."""
        first: JsonDict = {name: outputs[name] for name in ("words", "tags") if name in outputs}
        return {**first, **super().brief(outputs)}

    def predict_instance(self, instance: Instance) -> JsonDict:
        """The tags of a sentence, with its words."""
        return _with_words(instance, super().predict_instance(instance))

    def predict_batch_instance(self, instances: list[Instance]) -> list[JsonDict]:
        """The tags of several sentences, with their words."""
        return list(map(_with_words, instances, super().predict_batch_instance(instances)))

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        words = json_dict.get("words") if isinstance(json_dict, dict) else None
        if words is None:
            return make_instance(self._dataset_reader, self._tokenizer.tokenize(sentence_of(json_dict)))
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ConfigurationError(f'input: expected "words" to be a list of words, got {words!r:.80}')
        return make_instance(self._dataset_reader, [Token(word) for word in words])

    def predictions_to_labeled_instances(
        self, instance: Instance, outputs: dict[str, numpy.ndarray[Any, Any]]
    ) -> list[Instance]:
        """One copy of the instance for each entity in the predicted BIOUL tags, all other words tagged `O`.

        The copies have a flag field `ignore_loss_on_o_tags`.

        Raises:
            ConfigurationError: the tags are not BIOUL.
        """
        tags = [str(tag) for tag in outputs["tags"]]
        text = instance["tokens"]
        if not isinstance(text, TextField):
            raise ConfigurationError(f"tokens: expected a text field, got {type(text).__name__}")
        namespace = getattr(self._model, "label_namespace", "labels")
        labelled = []
        # One instance an entity, so that the gradient of its loss is about that entity alone.
        for start, end in _entities(tags[: text.sequence_length()]):
            only = ["O"] * text.sequence_length()
            only[start : end + 1] = tags[start : end + 1]
            copy = instance.duplicate()
            copy.add_field("tags", SequenceLabelField(list(only), text, namespace), self._model.vocab)
            copy.add_field("ignore_loss_on_o_tags", FlagField(True), self._model.vocab)
            labelled.append(copy)
        return labelled


def _with_words(instance: Instance, outputs: JsonDict) -> JsonDict:
    """The outputs with `words`, which the model gives only for readers that keep them in the metadata."""
    text = instance.fields.get("tokens")
    if "words" in outputs or not isinstance(text, TextField):
        return outputs
    return {**outputs, "words": [str(token) for token in text]}


def _entities(tags: list[str]) -> list[tuple[int, int]]:
    """First and last word of each entity: a `U-` tag, or `B-` up to the next `L-`."""
    found = []
    start = None
    for position, tag in enumerate(tags):
        kind = tag[:1]
        if kind not in "BIOUL":
            raise ConfigurationError(f"tags: expected BIOUL tags, such as O or B-PER, got {tag!r}")
        if kind == "U":
            found.append((position, position))
        elif kind == "B":
            start = position
        elif kind == "L" and start is not None:
            found.append((start, position))
            start = None
    return found
