"""Helpers for taggers: metrics, label encodings, spans and tag names."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers.dataset_utils.span_utils import (
    bio_tags_to_spans,
    bmes_tags_to_spans,
    well_formed_spans,
)
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import Model
from nlpreg.training.metrics import CategoricalAccuracy, SpanBasedF1Measure

LabelEncoding = Literal["BIO", "IOB1", "BIOUL", "BMES"]


class ProbabilisticTagger(Model):
    """Interface of taggers whose label probabilities can be averaged in an ensemble.

    Subclasses implement `tag_probabilities` and `choose`.
    """

    confidences: bool = False
    """Whether predictions come with their probabilities; may be set at any time."""

    confidence_threshold: float = 0.0
    """Predictions of a lower probability are marked as uncertain, and spans are left out."""

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
        """Add to the outputs of an ensemble what does not follow from the probabilities of single labels; nothing here.

        Args:
            chosen: what `choose` gave for the means of the members' probabilities.
            members: the members of the ensemble, of this class.
            outputs: what each of them found.
        """


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


def span_f1(vocab: Vocabulary, label_namespace: str, label_encoding: str | None) -> SpanBasedF1Measure:
    """The span F1 of tags of this encoding."""
    return SpanBasedF1Measure(vocab, tag_namespace=label_namespace, label_encoding=label_encoding)


def tagging_metrics(
    accuracies: Mapping[str, CategoricalAccuracy],
    f1: SpanBasedF1Measure | None,
    verbose: bool,
    reset: bool,
) -> dict[str, float]:
    """The values of a tagger's metrics; of the span F1 only the overall ones unless `verbose`."""
    metrics = {name: accuracy.get_metric(reset) for name, accuracy in accuracies.items()}
    if f1 is not None:
        spans = f1.get_metric(reset)
        metrics.update({name: value for name, value in spans.items() if verbose or "overall" in name})
    return metrics


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
    other. The word after it may have any tag except I of the same label. Under BIOUL and BMES the tags of the span say it all.

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


def uncertain_words(confidences: Sequence[float], threshold: float) -> list[int]:
    """The places of the words whose confidence is below a threshold."""
    return [place for place, confidence in enumerate(confidences) if confidence < threshold]


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


def without_padding(rows: Sequence[list[Any]], mask: Tensor) -> list[list[Any]]:
    """The items of each row (B, T) that belong to a word: those where `mask` (B, T) is true."""
    return [
        [item for item, is_word in zip(row, words, strict=True) if is_word]
        for row, words in zip(rows, mask.tolist(), strict=True)
    ]


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
