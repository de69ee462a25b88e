"""A tagger that chooses the tag of each word by itself."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nlpreg.data.fields.text_field import TextFieldTensors
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.tagging import (
    LabelEncoding,
    accuracy_metrics,
    add_words,
    check_widths,
    given_encoding,
    span_f1,
    tag_names,
    tagging_metrics,
    without_outside_tags,
    without_padding,
)
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.modules.text_field_embedders import TextFieldEmbedder
from nlpreg.modules.time_distributed import TimeDistributed
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.util import get_text_field_mask, sequence_cross_entropy_with_logits
from nlpreg.training.metrics import FBetaVerboseMeasure


@Model.register("simple_tagger")
class SimpleTagger(Model):
    """Embeds and encodes a sentence and gives each word the tag with the highest score.

    Args:
        vocab: has the tags.
        text_field_embedder: embeds the words.
        encoder: encodes the sentence.
        calculate_span_f1: whether to measure spans as well; by default if `label_encoding` is given.
        label_encoding: how tags encode spans.
        label_namespace: the namespace of the tags.
        verbose_metrics: whether to report precision, recall and F1 for each span label too; without the measure of spans,
            for each tag.
        initializer: sets the initial values of parameters, after everything is built.
        **kwargs: arguments of `Model`.

    Raises:
        ConfigurationError: the widths of embedder and encoder differ, or `calculate_span_f1` without an encoding.
    """

    dimension_chain: ClassVar[tuple[str, ...]] = ("text_field_embedder", "encoder")

    default_predictor = "sentence_tagger"
    label_namespaces = ("label_namespace",)
    per_token_outputs: ClassVar[dict[str, str]] = {"logits": "_mask", "class_probabilities": "_mask"}

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        encoder: Seq2SeqEncoder,
        calculate_span_f1: bool | None = None,
        label_encoding: LabelEncoding | None = None,
        label_namespace: str = "labels",
        verbose_metrics: bool = False,
        initializer: InitializerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        check_widths(
            "text_field_embedder", text_field_embedder.get_output_dim(), "encoder", encoder.get_input_dim()
        )
        self.text_field_embedder = text_field_embedder
        self.encoder = encoder
        self.label_namespace = label_namespace
        self.num_classes = vocab.get_vocab_size(label_namespace)
        self._verbose_metrics = verbose_metrics
        projection = nn.Linear(encoder.get_output_dim(), self.num_classes)
        self.tag_projection_layer = TimeDistributed(projection)
        self.metrics = accuracy_metrics()
        self.calculate_span_f1 = given_encoding(calculate_span_f1, label_encoding, "calculate_span_f1")
        self._f1_metric = span_f1(vocab, label_namespace, label_encoding) if self.calculate_span_f1 else None
        names = vocab.get_index_to_token_vocabulary(label_namespace)
        by_tag = verbose_metrics and not self.calculate_span_f1
        self._tag_metric = FBetaVerboseMeasure(index_to_label=names) if by_tag else None
        if initializer is not None:
            initializer(self)

    @staticmethod
    def check_arguments(label_encoding: LabelEncoding | None, calculate_span_f1: bool | None) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        given_encoding(calculate_span_f1, label_encoding, "calculate_span_f1")

    def forward(
        self,
        tokens: TextFieldTensors,
        tags: Tensor | None = None,
        metadata: list[dict[str, Any]] | None = None,
        ignore_loss_on_o_tags: bool = False,
    ) -> dict[str, Any]:
        """Score the tags of each word.

        Args:
            tokens: the tensors of a text field, T words in the longest of B sentences.
            tags: gold tag ids (B, T).
            metadata: for each sentence a dict with its `words`.
            ignore_loss_on_o_tags: whether words whose gold tag is `O` are left out of the loss (not of the metrics).

        Returns:
            `logits` and `class_probabilities` (B, T, C); with gold tags `loss`, the mean over sentences, 0-d,
            and their number, `batch_weight`, 0-d; with metadata `words`.
        """
        mask = get_text_field_mask(tokens)  # (B, T)
        encoded = self.encoder(self.text_field_embedder(tokens), mask)  # (B, T, H)
        logits = self.tag_projection_layer(encoded)  # (B, T, C)
        output: dict[str, Any] = {
            "logits": logits,  # (B, T, C)
            "class_probabilities": torch.softmax(logits, dim=-1),
            "_mask": mask,
        }
        if tags is not None:
            counted = mask
            if ignore_loss_on_o_tags:
                counted = without_outside_tags(mask, tags, self.vocab, self.label_namespace)
            output["loss"] = sequence_cross_entropy_with_logits(logits, tags, counted)
            output["batch_weight"] = counted.any(dim=1).sum()
            for metric in self.metrics.values():
                metric(logits, tags, mask)
            for of_choices in (self._f1_metric, self._tag_metric):
                if of_choices is not None:
                    of_choices(logits, tags, mask)
        add_words(output, metadata)
        return output

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add `tags`: for each sentence the best tag of each of its words."""
        best = output_dict["class_probabilities"].argmax(-1).tolist()  # B times T
        if "_mask" in output_dict:
            best = without_padding(best, output_dict["_mask"])
        output_dict["tags"] = tag_names(best, self.vocab, self.label_namespace)
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """`accuracy`, `accuracy3`; with a label encoding, precision, recall and F1 of spans; else of tags if verbose."""
        metrics = tagging_metrics(self.metrics, self._f1_metric, self._verbose_metrics, reset)
        if self._tag_metric is not None:
            metrics.update(self._tag_metric.get_metric(reset))
        return metrics
