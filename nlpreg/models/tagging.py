"""What the models that tag words have in common: metrics, and tags as strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.training.metrics import CategoricalAccuracy, SpanBasedF1Measure

LabelEncoding = Literal["BIO", "IOB1", "BIOUL", "BMES"]


def given_encoding(wanted: bool | None, label_encoding: str | None, argument: str) -> bool:
    """Whether to do what needs a label encoding: as wanted, and by default if there is one.

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
