"""A model: a tagger."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models import Model
from nlpreg.modules import Seq2SeqEncoder, TextFieldEmbedder
from nlpreg.nn.util import get_text_field_mask, sequence_cross_entropy_with_logits
from nlpreg.training.metrics import CategoricalAccuracy


@Model.register("endings_tagger")
class EndingsTagger(Model):
    """Tags words; with `label_smoothing` it is less sure of itself.

    Args:
        vocab: its namespace `labels` has the tags.
        text_field_embedder: embeds the words.
        encoder: encodes the sentence.
        label_smoothing: share of the probability, from 0 to 1, that is spread over all tags.
        **kwargs: arguments of `Model`, such as `regularizer`.
    """

    # Which argument feeds which: `nlpreg check` compares their sizes before a run.
    dimension_chain: ClassVar[tuple[str, ...]] = ("text_field_embedder", "encoder")
    default_predictor = "sentence_tagger"

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        encoder: Seq2SeqEncoder,
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        self._embedder = text_field_embedder
        self._encoder = encoder
        self._label_smoothing = label_smoothing
        self._scores = torch.nn.Linear(encoder.get_output_dim(), vocab.get_vocab_size("labels"))
        self._accuracy = CategoricalAccuracy()

    def forward(
        self,
        tokens: TextFieldTensors,
        tags: Tensor | None = None,
        metadata: list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        mask = get_text_field_mask(tokens)  # (B, T)
        logits = self._scores(self._encoder(self._embedder(tokens), mask))  # (B, T, number of tags)
        output: dict[str, Any] = {"logits": logits, "mask": mask}
        if tags is not None:
            output["loss"] = sequence_cross_entropy_with_logits(
                logits, tags, mask, label_smoothing=self._label_smoothing or None
            )
            self._accuracy(logits, tags, mask)
        if metadata is not None:
            output["words"] = [entry["words"] for entry in metadata]
        return output

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        names = self.vocab.get_index_to_token_vocabulary("labels")
        best = output_dict["logits"].argmax(-1)
        output_dict["tags"] = [
            [names[tag] for tag in row[words].tolist()]
            for row, words in zip(best, output_dict.pop("mask"), strict=True)
        ]
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        return {"accuracy": self._accuracy.get_metric(reset)}
