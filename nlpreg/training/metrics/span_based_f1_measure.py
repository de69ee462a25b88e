"""Precision, recall and F1 of labelled spans."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers.dataset_utils.span_utils import InvalidTagSequence
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.training.metrics.metric import Metric
from nlpreg.training.metrics.ranks import gather_over_ranks
from nlpreg.training.metrics.tag_spans import (
    ENCODINGS,
    TagTable,
    count_spans,
    find_spans,
    span_label,
    tag_table,
)

TypedStringSpan = tuple[str, tuple[int, int]]
TagsToSpans = Callable[[list[str], list[str] | None], Iterable[TypedStringSpan]]

_CONTINUATION = "C-"
_TINY = 1e-13


@Metric.register("span_f1")
class SpanBasedF1Measure(Metric):
    """Precision, recall and F1 of the spans that tag sequences stand for, over all labels and for each.

    A predicted span is right if a gold span has the same label, first and last word. A span whose label is `C-X`
    continues the span `X` of its sentence: both together are one span, from the first word to the last.

    Args:
        vocabulary: has the tags.
        tag_namespace: the namespace of the tags.
        ignore_classes: labels whose spans are left out, predicted and gold.
        label_encoding: how tags encode spans: `BIO`, `IOB1`, `BIOUL` or `BMES`; None with `tags_to_spans_function`.
        tags_to_spans_function: finds the spans of a list of tags in another encoding; called with the tags and
            `ignore_classes`, gives `(label, (first, last))` for each span.

    Raises:
        ConfigurationError: an unknown encoding, or not exactly one of encoding and function.
    """

    supports_distributed = True
    accumulators = ("_labels", "_counts")
    _labels: list[str]
    _counts: Tensor

    def __init__(
        self,
        vocabulary: Vocabulary,
        tag_namespace: str = "tags",
        ignore_classes: list[str] | None = None,
        label_encoding: str | None = "BIO",
        tags_to_spans_function: TagsToSpans | None = None,
    ) -> None:
        if (label_encoding is None) == (tags_to_spans_function is None):
            raise ConfigurationError(
                "span_f1 takes either a label_encoding or a tags_to_spans_function; with the function, "
                f"label_encoding has to be null; got {label_encoding!r} and {tags_to_spans_function!r}"
            )
        if label_encoding is not None and label_encoding not in ENCODINGS:
            raise ConfigurationError(f"label_encoding: expected one of {ENCODINGS}, got {label_encoding!r}")
        self._label_encoding = label_encoding
        self._tags_to_spans_function = tags_to_spans_function
        self._label_vocabulary = vocabulary.get_index_to_token_vocabulary(tag_namespace)
        self._ignore_classes = ignore_classes or []
        self._table: TagTable | None = None
        self._table_size = -1
        self.reset()

    def __call__(
        self,
        predictions: Tensor,
        gold_labels: Tensor,
        mask: Tensor | None = None,
        prediction_map: Tensor | None = None,
    ) -> None:
        """Take in one batch.

        Args:
            predictions: scores of the tags (B, L, C).
            gold_labels: tag ids (B, L).
            mask: which words there are (B, L); a row's number of words is its number of true values.
            prediction_map: the tag id that each class stands for in each sentence (B, C); by default itself.

        Raises:
            ConfigurationError: a gold id is not below C.
            InvalidTagSequence: tags that the encoding does not allow: unknown letters, or under BIOUL a span that is
                not closed or not opened.
        """
        predictions, gold_labels = predictions.detach(), gold_labels.detach().long()
        num_classes = predictions.size(-1)
        self._require(
            (gold_labels < num_classes).all(), f"a gold label lies outside of the {num_classes} tags"
        )
        predicted = predictions.argmax(-1)  # (B, L)
        if prediction_map is not None:
            prediction_map = prediction_map.detach()
            predicted = prediction_map.gather(1, predicted)
            gold_labels = prediction_map.gather(1, gold_labels.clamp(max=num_classes - 1))
        lengths = (
            predicted.new_full((predicted.size(0),), predicted.size(1)) if mask is None else mask.sum(-1)
        )
        if self._tags_to_spans_function is not None or self._has_continuations():
            self._count_in_lists(predicted, gold_labels, lengths)
        else:
            self._count_in_tensors(predicted, gold_labels, lengths)

    def _count_in_tensors(self, predicted: Tensor, gold: Tensor, lengths: Tensor) -> None:
        assert self._label_encoding is not None
        table = self._table_on(predicted.device)
        tags = torch.cat([predicted, gold])  # (2B, L)
        spans = find_spans(tags, lengths.repeat(2), table, self._label_encoding)
        self._require_well_formed(spans.ill_formed, tags, lengths.repeat(2))
        halves = [tuple(part.chunk(2)) for part in spans]
        found, wanted = (type(spans)(*(half[side] for half in halves)) for side in (0, 1))
        self._add(count_spans(found, wanted, len(self._labels)))

    def _require_well_formed(self, ill_formed: Tensor, tags: Tensor, lengths: Tensor) -> None:
        if torch.compiler.is_compiling():
            return
        # only on CPU is there time to look for the sentence
        tag_sequence = ["(tags that do not follow", f"{self._label_encoding})"]
        if ill_formed.device.type == "cpu" and bool(ill_formed.any()):
            row = int(ill_formed.nonzero()[0])
            tag_sequence = self._tag_strings(tags[row].tolist(), int(lengths[row]))
        self._require(~ill_formed.any(), InvalidTagSequence(tag_sequence))

    def _count_in_lists(self, predicted: Tensor, gold: Tensor, lengths: Tensor) -> None:
        right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
        for predicted_ids, gold_ids, length in zip(
            predicted.tolist(), gold.tolist(), lengths.tolist(), strict=True
        ):
            found = self._spans_of(predicted_ids, length)
            wanted = self._spans_of(gold_ids, length)
            right.update(label for label, _ in found & wanted)
            wrong.update(label for label, _ in found - wanted)
            missed.update(label for label, _ in wanted - found)
        self._learn_labels([*right, *wrong, *missed])
        rows = [[right[label], wrong[label], missed[label]] for label in self._labels]
        self._add(torch.tensor(rows, dtype=torch.long).view(-1, 3))

    def _spans_of(self, tag_ids: list[int], length: int) -> set[TypedStringSpan]:
        if length == 0:
            return set()
        if self._tags_to_spans_function is not None:
            spans = self._tags_to_spans_function(self._tag_strings(tag_ids, length), self._ignore_classes)
            return _joined_continuations(set(spans))
        assert self._label_encoding is not None
        tags = torch.tensor([tag_ids[:length]])
        found = find_spans(tags, torch.tensor([length]), self._table_on(tags.device), self._label_encoding)
        self._require_well_formed(found.ill_formed, tags, torch.tensor([length]))
        ends = found.ends[0].nonzero().flatten().tolist()
        starts, labels = found.starts[0].tolist(), found.labels[0].tolist()
        spans = {(self._labels[labels[end]], (starts[end], end)) for end in ends}
        return _joined_continuations({span for span in spans if span[0] not in self._ignore_classes})

    def _tag_strings(self, tag_ids: list[int], length: int) -> list[str]:
        return [self._label_vocabulary.get(tag_id, f"(no tag {tag_id})") for tag_id in tag_ids[:length]]

    def _has_continuations(self) -> bool:
        self._refresh_table()
        return self._continued

    def _refresh_table(self) -> None:
        """Bring the table up to date with the vocabulary, which may grow."""
        if len(self._label_vocabulary) == self._table_size or self._label_encoding is None:
            return
        labels = dict.fromkeys(map(span_label, self._label_vocabulary.values()))
        self._continued = any(label.startswith(_CONTINUATION) for label in labels)
        self._learn_labels(labels)
        ids = {label: index for index, label in enumerate(self._labels)}
        self._table = tag_table(self._label_vocabulary, self._label_encoding, ids)
        self._table_size = len(self._label_vocabulary)

    def _table_on(self, device: torch.device) -> TagTable:
        self._refresh_table()
        assert self._table is not None
        if self._table.roles.device != device:
            self._table = TagTable(*(column.to(device) for column in self._table))
        return self._table

    def _learn_labels(self, labels: Iterable[str]) -> None:
        known = set(self._labels)
        self._labels = [*self._labels, *(label for label in dict.fromkeys(labels) if label not in known)]

    def _add(self, counts: Tensor) -> None:
        held = self._counts.to(counts)
        new_rows = counts.new_zeros((counts.size(0) - held.size(0), 3))
        self._counts = torch.cat([held, new_rows]) + counts

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`precision-<label>`, `recall-<label>` and `f1-measure-<label>` of each label seen, then `-overall`."""
        self._settle()
        counts = self._counts_of_all_ranks()
        if reset:
            self.reset()
        metrics: dict[str, float] = {}
        overall = [0, 0, 0]
        for label, of_label in counts.items():
            if label in self._ignore_classes:
                continue
            metrics.update(_named_scores(label, *of_label))
            overall = [sum(pair) for pair in zip(overall, of_label, strict=True)]
        metrics.update(_named_scores("overall", *overall))
        return metrics

    def _counts_of_all_ranks(self) -> dict[str, list[int]]:
        """Right, wrong and missed spans of each label that any rank has seen."""
        rows = zip(self._labels, self._counts.tolist(), strict=False)
        own = {label: row for label, row in rows if any(row)}
        counts: dict[str, list[int]] = {}
        for share in gather_over_ranks(torch.tensor(list(json.dumps(own).encode()), dtype=torch.uint8)):
            for label, row in json.loads(bytes(share.tolist())).items():
                counts[label] = [sum(pair) for pair in zip(counts.get(label, [0, 0, 0]), row, strict=True)]
        return counts

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict` of a metric of this class."""
        super().load_state_dict(state_dict)
        self._table_size = -1  # the table refers to the order of the labels

    def reset(self) -> None:
        """Forget all batches."""
        self._labels = []
        self._counts = torch.zeros((0, 3), dtype=torch.long)
        self._table_size = -1


def _named_scores(name: str, right: int, wrong: int, missed: int) -> dict[str, float]:
    precision = right / (right + wrong + _TINY)
    recall = right / (right + missed + _TINY)
    f1 = 2 * precision * recall / (precision + recall + _TINY)
    return {f"precision-{name}": precision, f"recall-{name}": recall, f"f1-measure-{name}": f1}


def _joined_continuations(spans: set[TypedStringSpan]) -> set[TypedStringSpan]:
    """Spans where `C-X` and `X` are one span, from the first word of all to the last."""
    continued = {label[len(_CONTINUATION) :] for label, _ in spans if label.startswith(_CONTINUATION)}
    for label in continued:
        parts = {span for span in spans if span[0] in (label, _CONTINUATION + label)}
        start = min(first for _, (first, _) in parts)
        end = max(last for _, (_, last) in parts)
        spans = (spans - parts) | {(label, (start, end))}
    return spans
