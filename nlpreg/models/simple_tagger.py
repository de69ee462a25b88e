"""`SimpleTagger`: sequence tagging with an independent softmax for each word."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models import tagging
from nlpreg.models.model import Model
from nlpreg.modules import Seq2SeqEncoder, TextFieldEmbedder, TimeDistributed
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.util import get_text_field_mask, sequence_cross_entropy_with_logits


@Model.register("simple_tagger")
class SimpleTagger(tagging.ProbabilisticTagger, tagging.SequenceTagger):
    """Embeds and encodes a sentence and predicts the tag of each word independently.

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
        **kwargs: `confidences` and `confidence_threshold`, see `ProbabilisticTagger`, and arguments of `Model`.

    Raises:
        ConfigurationError: the widths of embedder and encoder differ, or `calculate_span_f1` without an encoding.
    """

    per_token_outputs: ClassVar[dict[str, str]] = {"logits": "_mask", "class_probabilities": "_mask"}

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        encoder: Seq2SeqEncoder,
        calculate_span_f1: bool | None = None,
        label_encoding: tagging.LabelEncoding | None = None,
        label_namespace: str = "labels",
        verbose_metrics: bool = False,
        initializer: InitializerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocab,
            text_field_embedder,
            encoder,
            calculate_span_f1=calculate_span_f1,
            label_encoding=label_encoding,
            label_namespace=label_namespace,
            verbose_metrics=verbose_metrics,
            **kwargs,
        )
        self.num_classes = self.num_tags
        projection = nn.Linear(encoder.get_output_dim(), self.num_classes)
        self.tag_projection_layer = TimeDistributed(projection)
        if initializer is not None:
            initializer(self)

    @staticmethod
    def check_arguments(label_encoding: tagging.LabelEncoding | None, calculate_span_f1: bool | None) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        tagging.given_encoding(calculate_span_f1, label_encoding, "calculate_span_f1")

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
            tags: gold tag ids (B, T); -1 for a word whose tag is not known, which loss and metrics leave out.
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
            counted = tagging.labelled_words(mask, tags)
            if ignore_loss_on_o_tags:
                counted = tagging.without_outside_tags(counted, tags, self.vocab, self.label_namespace)
            output["loss"] = sequence_cross_entropy_with_logits(logits, tags.clamp(min=0), counted)
            output["batch_weight"] = counted.any(dim=1).sum()
            self.measure(logits, tags, mask)
        tagging.add_words(output, metadata)
        return output

    def tag_probabilities(self, output: Mapping[str, Any]) -> dict[str, Tensor]:
        """The softmax of the logits."""
        return {"tags": output["class_probabilities"]}

    def choose(
        self, output: Mapping[str, Any], probabilities: Mapping[str, Tensor], gold: Mapping[str, Tensor]
    ) -> dict[str, Any]:
        """The outputs for other probabilities, see `ProbabilisticTagger`; their logarithms are the logits."""
        found = probabilities["tags"]
        if "tags" in gold:
            self.measure(found, gold["tags"], output["_mask"])
        return {**output, "class_probabilities": found, "logits": found.log()}

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add `tags`: for each sentence the best tag of each of its words."""
        best = output_dict["class_probabilities"].argmax(-1).tolist()  # B times T
        if "_mask" in output_dict:
            best = tagging.without_padding(best, output_dict["_mask"])
        output_dict["tags"] = tagging.tag_names(best, self.vocab, self.label_namespace)
        if self.confidences and "_mask" in output_dict:
            self._add_confidences(output_dict)
        return output_dict

    def _add_confidences(self, output: dict[str, Any]) -> None:
        """Add the probability of each word's tag, and with a label encoding those of spans: products of their words'."""
        names = self.vocab.get_index_to_token_vocabulary(self.label_namespace)
        probabilities, mask = output["class_probabilities"].detach().cpu(), output["_mask"].cpu()
        output["confidences"] = tagging.without_padding(probabilities.amax(-1).tolist(), mask)
        tagging.add_uncertain(output, self.confidence_threshold)
        encoding = self._label_encoding
        if encoding is None:
            return
        output["spans"] = []
        for of_sentence, is_word, tags in zip(probabilities.double(), mask, output["tags"], strict=True):
            spans = tagging.spans_of(tags, encoding)
            of_words = of_sentence[is_word]  # (words, C)
            confidences = [
                # words are independent: multiply over words, sum over alternatives
                (of_words * tagging.tags_of_span(span, len(tags), encoding, names))
                .sum(-1)
                .prod(-1)
                .sum()
                .item()
                for span in spans
            ]
            confidences = [min(1.0, confidence) for confidence in confidences]
            output["spans"].append(tagging.described_spans(spans, confidences, self.confidence_threshold))
