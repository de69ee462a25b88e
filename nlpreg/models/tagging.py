"""Helpers for taggers: metrics, label encodings, spans and tag names."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError, Probability, check_share
from nlpreg.data.dataset_readers.dataset_utils.span_utils import (
    bio_tags_to_spans,
    bmes_tags_to_spans,
    well_formed_spans,
)
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import Model
from nlpreg.modules import Seq2SeqEncoder, TextFieldEmbedder
from nlpreg.training.metrics import CategoricalAccuracy, FBetaVerboseMeasure, SpanBasedF1Measure

LabelEncoding = Literal["BIO", "IOB1", "BIOUL", "BMES"]


class ProbabilisticTagger(Model):
    """Base class of taggers that encode a sentence, and whose label probabilities can be averaged in an ensemble.

    Subclasses implement `tag_probabilities` and `choose`. The attributes `confidences` and `confidence_threshold` may be
    set at any time.

    Args:
        vocab: has the labels.
        text_field_embedder: embeds the words.
        encoder: encodes the sentence.
        confidences: whether predictions come with the probability of each word's label, and with a label encoding of
            each span, from 0 to 1.
        confidence_threshold: words whose label has a lower probability are listed as `uncertain`, and spans of lower
            probability are left out; from 0 to 1.
        **kwargs: arguments of `Model`.

    Raises:
        ConfigurationError: the widths of embedder and encoder differ.
    """

    dimension_chain: ClassVar[tuple[str, ...]] = ("text_field_embedder", "encoder")

    default_predictor = "sentence_tagger"

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        encoder: Seq2SeqEncoder,
        confidences: bool = False,
        confidence_threshold: Probability = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        check_share(confidence_threshold=confidence_threshold)
        check_chain(text_field_embedder=text_field_embedder, encoder=encoder)
        self.text_field_embedder = text_field_embedder
        self.encoder = encoder
        self.confidences = confidences
        self.confidence_threshold = confidence_threshold

    @property
    def gold_fields(self) -> tuple[str, ...]:
        """Names of the fields of a batch that hold gold labels."""
        return ("tags",)

    def tag_probabilities(self, output: Mapping[str, Any]) -> dict[str, Tensor]:
        """The probability of each label of each word, from an output of `forward`.

        Returns:
            Probabilities (B, T, C), by the name of the field with such labels.
        """
        raise NotImplementedError(f"{type(self).__name__} has no tag_probabilities")

    def choose(
        self, output: Mapping[str, Any], probabilities: Mapping[str, Tensor], gold: Mapping[str, Tensor]
    ) -> dict[str, Any]:
        """The outputs that `forward` would give if it had found other probabilities; metrics are measured on them.

        Args:
            output: of `forward`, without gold labels.
            probabilities: see `tag_probabilities`.
            gold: the fields with gold labels, none for a batch that is not measured.
        """
        raise NotImplementedError(f"{type(self).__name__} has no choose")

    def add_of_members(
        self,
        chosen: dict[str, Any],
        members: Sequence["ProbabilisticTagger"],
        outputs: Sequence[Mapping[str, Any]],
    ) -> None:
        """Add outputs of an ensemble that do not follow from the probabilities of single labels; by default none.

        Args:
            chosen: what `choose` gave for the means of the members' probabilities.
            members: the members of the ensemble, of this class.
            outputs: what each of them found.
        """


class SequenceTagger(Model):
    """Base class of taggers that give each word one tag: their metrics.

    Args:
        vocab: has the tags.
        label_namespace: the namespace of the tags.
        calculate_span_f1: whether to measure spans as well; by default if `label_encoding` is given.
        label_encoding: how tags encode spans.
        verbose_metrics: whether to report the metrics of each span label too; without span F1, those of each tag.
        **kwargs: arguments of `Model`.

    Raises:
        ConfigurationError: `calculate_span_f1` without an encoding.
    """

    label_namespaces = ("label_namespace",)

    def __init__(
        self,
        vocab: Vocabulary,
        label_namespace: str = "labels",
        calculate_span_f1: bool | None = None,
        label_encoding: LabelEncoding | None = None,
        verbose_metrics: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        self.label_namespace = label_namespace
        self.num_tags = vocab.get_vocab_size(label_namespace)
        self._label_encoding = label_encoding
        self.metrics = accuracy_metrics()
        self.calculate_span_f1 = given_encoding(calculate_span_f1, label_encoding, "calculate_span_f1")
        self._verbose_metrics = verbose_metrics
        self._f1_metric = self._tag_metric = None
        if self.calculate_span_f1:
            self._f1_metric = SpanBasedF1Measure(vocab, label_namespace, label_encoding=label_encoding)
        elif verbose_metrics:
            names = vocab.get_index_to_token_vocabulary(label_namespace)
            self._tag_metric = FBetaVerboseMeasure(index_to_label=names)

    def measure(self, ranking: Tensor, tags: Tensor, mask: Tensor, choices: Tensor | None = None) -> None:
        """Update the metrics.

        Args:
            ranking: the tags of each word are ranked by these numbers (B, T, C).
            tags: gold tag ids (B, T), -1 for unknown ones.
            mask: true for words (B, T).
            choices: the greatest of these is the predicted tag (B, T, C); by default `ranking`.
        """
        choices = ranking if choices is None else choices
        words, known = labelled_words(mask, tags), tags.clamp(min=0)
        for metric in self.metrics.values():
            metric(ranking, tags, words)
        if self._f1_metric is not None:
            self._f1_metric(choices, known, labelled_sentences(mask, tags))
        if self._tag_metric is not None:
            self._tag_metric(choices, known, words)

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """The accuracies; with a label encoding, precision, recall and F1 of spans; else of each tag if verbose."""
        metrics = {name: accuracy.get_metric(reset) for name, accuracy in self.metrics.items()}
        if self._f1_metric is not None:
            spans = self._f1_metric.get_metric(reset)
            metrics.update(
                {name: value for name, value in spans.items() if self._verbose_metrics or "overall" in name}
            )
        if self._tag_metric is not None:
            metrics.update(self._tag_metric.get_metric(reset))
        return metrics


def given_encoding(wanted: bool | None, label_encoding: str | None, argument: str) -> bool:
    """The value of an option that requires a label encoding; by default true if there is one.

    Args:
        wanted: the value of the constructor's argument.
        label_encoding: the encoding, if one is given.
        argument: the argument's name, for the message.

    Raises:
        ConfigurationError: it is wanted without an encoding.
    """
    if wanted and label_encoding is None:
        raise ConfigurationError(
            f"model.{argument} needs model.label_encoding (BIO, IOB1, BIOUL or BMES), got none"
        )
    return label_encoding is not None if wanted is None else wanted


def accuracy_metrics() -> dict[str, CategoricalAccuracy]:
    """`accuracy`, and `accuracy3` for the gold tag among the three best."""
    return {"accuracy": CategoricalAccuracy(), "accuracy3": CategoricalAccuracy(top_k=3)}


def without_outside_tags(mask: Tensor, tags: Tensor, vocab: Vocabulary, label_namespace: str) -> Tensor:
    """The mask (B, T) without the positions whose gold tag is `O`."""
    return mask & (tags != vocab.get_token_index("O", label_namespace))


NEEDS_TAGS = "this model needs the tag of every word: use a crf_tagger with partial_labels"


def refuse_unknown_tags(tags: Tensor, advice: str) -> None:
    """Raise an error, on the CPU only, if gold tags (B, T) are unknown but the model needs them all.

    Args:
        tags: gold tag ids, -1 for unknown ones.
        advice: what to do.

    Raises:
        ConfigurationError: there is such a tag.
    """
    if tags.device.type == "cpu" and not torch.compiler.is_compiling() and bool((tags < 0).any()):
        raise ConfigurationError(
            f'the gold tags of some words are not known (the reader has "unknown_tag"); {advice}'
        )


def labelled_words(mask: Tensor, tags: Tensor) -> Tensor:
    """The mask (B, T) without the words whose gold tag is not known."""
    return mask & (tags >= 0)


def labelled_sentences(mask: Tensor, tags: Tensor) -> Tensor:
    """The mask (B, T) without the sentences that have a word whose gold tag is not known."""
    return mask & ((tags >= 0) | ~mask).all(dim=1, keepdim=True)


Span = tuple[str, int, int]
"""Label, first word and last word."""


def spans_of(tags: Sequence[str], label_encoding: LabelEncoding) -> list[Span]:
    """The spans that a sequence of tags stands for; under BIOUL those that are well-formed."""
    if label_encoding == "BIOUL":
        found = well_formed_spans(tags, label_encoding)
    else:
        found = (bmes_tags_to_spans if label_encoding == "BMES" else bio_tags_to_spans)(list(tags))
    return [(label, first, last) for label, (first, last) in found]


def tags_of_span(
    span: Span, num_words: int, label_encoding: LabelEncoding, names: Mapping[int, str]
) -> Tensor:
    """The tags that each word of a sentence may have if exactly these words are a span.

    Under BIO and IOB1 a span may begin with a tag B, or with I if the word before does not belong to it; both exclude each
    other. The word after it may have any tag except I of the same label. Under BIOUL and BMES the tags of the span determine it.

    Args:
        span: label, first and last word.
        num_words: number of words of the sentence.
        label_encoding: how tags encode spans.
        names: the name of each tag by its id.

    Returns:
        For each of the alternatives (A, 1 or 2) true for the tags that a word may have: (A, words, C).
    """
    label, first, last = span
    letters = {"BIOUL": "UBIL", "BMES": "SBME"}.get(label_encoding)
    one_of = {
        letter: torch.tensor([name == f"{letter}-{label}" for name in names.values()])
        for letter in letters or "BI"
    }
    allowed = torch.ones(2 if letters is None else 1, num_words, len(names), dtype=torch.bool)
    if letters is not None:
        single, begin, inside, end = tuple(letters)
        allowed[:, first : last + 1] = one_of[inside]
        allowed[:, first] = one_of[begin if last > first else single]
        allowed[:, last] = one_of[end if last > first else single]
        return allowed
    allowed[:, first : last + 1] = one_of["I"]
    allowed[0, first] = one_of["B"]
    allowed[:, last + 1 : last + 2] &= ~one_of["I"]
    if first > 0:
        allowed[1, first - 1] &= ~(one_of["B"] | one_of["I"])
    return allowed


def add_uncertain(output: dict[str, Any], threshold: float, prefix: str = "") -> None:
    """Add `uncertain` to the outputs of a tagger: the positions of words whose confidence is below a threshold above 0.

    Args:
        output: has the `confidences` of the words of each sentence.
        threshold: the lowest confidence of a word that is not uncertain.
        prefix: stands before the names of both outputs.
    """
    if threshold > 0:
        output[f"{prefix}uncertain"] = [
            [position for position, confidence in enumerate(sentence) if confidence < threshold]
            for sentence in output[f"{prefix}confidences"]
        ]


def described_spans(
    spans: Sequence[Span], confidences: Sequence[float], threshold: float
) -> list[dict[str, Any]]:
    """Spans as JSON objects with their confidences; without those below a threshold."""
    return [
        {"label": label, "start": first, "end": last, "confidence": confidence}
        for (label, first, last), confidence in zip(spans, confidences, strict=True)
        if confidence >= threshold
    ]


def add_words(output: dict[str, Any], metadata: Sequence[Mapping[str, Any]] | None) -> None:
    """Add the `words` that a reader put into the metadata of each instance to the outputs of a model.

    A compiled model omits them: it would be recompiled for other words.
    """
    if not torch.compiler.is_compiling() and metadata is not None:
        output["words"] = [instance["words"] for instance in metadata]


def tag_names(tag_ids: Sequence[Sequence[int]], vocab: Vocabulary, label_namespace: str) -> list[list[str]]:
    """The tags of several sentences as strings."""
    names = vocab.get_index_to_token_vocabulary(label_namespace)
    return [[names[tag_id] for tag_id in sentence] for sentence in tag_ids]


def named_paths(
    paths: Sequence[Sequence[tuple[Sequence[int], float]]],
    score: str,
    vocab: Vocabulary,
    label_namespace: str,
) -> list[list[dict[str, Any]]]:
    """The best sequences of each sentence, pairs of tag ids and score, as dicts of `tags` and the name of the score."""
    return [
        [
            {"tags": tag_names([path], vocab, label_namespace)[0], score: float(value)}
            for path, value in of_sentence
        ]
        for of_sentence in paths
    ]


def without_padding(rows: Sequence[list[Any]], mask: Tensor) -> list[list[Any]]:
    """The items of each row (B, T) that belong to a word: those where `mask` (B, T) is true."""
    return [
        [item for item, is_word in zip(row, words, strict=True) if is_word]
        for row, words in zip(rows, mask.tolist(), strict=True)
    ]


def check_chain(**parts: Any) -> int:
    """Check that each of several parts takes what the one before gives.

    Args:
        **parts: modules with `get_input_dim` and `get_output_dim`, by name, in their order; those that are None do not count.

    Returns:
        The width of the last one's output.

    Raises:
        ConfigurationError: two widths differ.
    """
    given = [(name, part) for name, part in parts.items() if part is not None]
    for (left, before), (right, after) in pairwise(given):
        check_widths(left, before.get_output_dim(), right, after.get_input_dim())
    width: int = given[-1][1].get_output_dim()
    return width


def check_widths(left: str, left_width: int, right: str, right_width: int) -> None:
    """Raise unless the output of one part is as wide as the input of the next.

    Raises:
        ConfigurationError: the widths differ.
    """
    if left_width != right_width:
        raise ConfigurationError(
            f"model: the output of {left} has width {left_width}, the input of {right} has width {right_width}; "
            "they have to be equal"
        )
