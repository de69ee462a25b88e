"""Scores sentences with a language model."""

import math
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.util import JsonDict, sanitize
from nlpreg.data import DatasetReader, Instance
from nlpreg.data.fields import TextField
from nlpreg.models.model import Model
from nlpreg.predictors.language_model_texts import LanguageModelTexts
from nlpreg.predictors.predictor import Predictor, sentence_of
from nlpreg.predictors.scorer import perplexity_of

SCORES = ("loss", "forward_loss", "backward_loss")
EMBEDDINGS = ("lm_embeddings", "noncontextual_token_embeddings", "mask")


@Predictor.register("language_model")
class LanguageModelPredictor(Predictor):
    """Scores sentences: `{"sentence": "The dog ate the apple"}`.

    A prediction has `tokens`, `num_targets`, `loss` (mean over the targets of minus the natural logarithm of their
    probability), `forward_loss`, `backward_loss` and `perplexity`: the string "Infinity" where it is too large, and null
    where there is nothing to predict. The reader's tokenizer splits the sentence; for a reader of files that are split
    already, spaCy's if its model is installed, else one that splits words, numbers and punctuation marks. `nlpreg score` is
    faster for many sentences.

    Args:
        model: a language model whose `forward` returns its loss.
        dataset_reader: makes an instance from a sentence.
        include_embeddings: whether a prediction has the contextual and other vectors of the words, too.
        frozen: whether to put the model into evaluation mode.
    """

    def __init__(
        self,
        model: Model,
        dataset_reader: DatasetReader,
        include_embeddings: bool = False,
        frozen: bool = True,
    ) -> None:
        super().__init__(model, dataset_reader, frozen)
        self._include_embeddings = include_embeddings
        self._texts = LanguageModelTexts(model, dataset_reader)

    def predict(self, sentence: str) -> JsonDict:
        """Scores of one sentence."""
        return self.predict_json({"sentence": sentence})

    def brief(self, outputs: JsonDict) -> JsonDict:
        """The whole prediction, which holds embeddings only where they were asked for."""
        return outputs

    def predict_instance(self, instance: Instance) -> JsonDict:
        """Scores of one sentence.

        Raises:
            ConfigurationError: the instance has no text field `source`.
        """
        text = instance.fields.get("source")
        if not isinstance(text, TextField):
            raise ConfigurationError(
                "the predictor 'language_model' is for readers whose instances have a text field \"source\"; those of "
                f"{type(self._dataset_reader).__name__} have {', '.join(instance.fields)}"
            )
        self._dataset_reader.apply_token_indexers(instance)
        outputs = self._model.forward_on_instance(instance)
        scores: dict[str, Any] = {"tokens": [str(token) for token in text]}
        if "loss" in outputs:
            scores["num_targets"] = max(len(text) - 1, 0)
        for name in SCORES:
            if outputs.get(name) is not None:
                scores[name] = float(outputs[name])
        if self._include_embeddings:
            scores.update({name: outputs[name] for name in EMBEDDINGS if name in outputs})
        result: JsonDict = sanitize(scores)
        if "loss" in scores:
            perplexity = perplexity_of(-scores["loss"], min(scores["num_targets"], 1))
            # JSON has no infinity; metrics.json writes it in the same way
            result["perplexity"] = "Infinity" if perplexity == math.inf else perplexity
        return result

    def predict_batch_instance(self, instances: list[Instance]) -> list[JsonDict]:
        """Scores of several sentences, one after another: the model's loss is that of a whole batch."""
        return [self.predict_instance(instance) for instance in instances]

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        return self._texts.instance_of(sentence_of(json_dict))
