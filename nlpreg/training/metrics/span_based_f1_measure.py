"""Precision, recall and F1 of labelled spans, and finding the spans of a batch of tag sequences with tensor operations.

B sentences, L words, C tags, S span labels.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers.dataset_utils.span_utils import InvalidTagSequence, well_formed_spans
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.training.metrics.metric import Metric, gather_over_ranks, precision_recall_f1

TypedStringSpan = tuple[str, tuple[int, int]]
TagsToSpans = Callable[[list[str], list[str] | None], Iterable[TypedStringSpan]]

_CONTINUATION = "C-"

ENCODINGS = ("BIO", "IOB1", "BIOUL", "BMES")

# The role of a word in a span, by the first letter of its tag.
_OUTSIDE, _BEGIN, _INSIDE, _LAST, _SINGLE, _UNKNOWN = range(6)
_LETTERS: dict[str, dict[str, int]] = {
    "BIO": {"O": _OUTSIDE, "B": _BEGIN, "I": _INSIDE},
    "IOB1": {"O": _OUTSIDE, "B": _BEGIN, "I": _INSIDE},
    "BIOUL": {"O": _OUTSIDE, "B": _BEGIN, "I": _INSIDE, "L": _LAST, "U": _SINGLE},
    "BMES": {"O": _OUTSIDE, "B": _BEGIN, "M": _INSIDE, "E": _LAST, "S": _SINGLE},
}


class InvalidGoldTags(ConfigurationError, InvalidTagSequence):
    """Gold tags that do not follow the label encoding.

    Args:
        tag_sequence: all tags of the sentence.
        label_encoding: the encoding that they should follow.
    """

    def __init__(self, tag_sequence: list[str], label_encoding: str | None) -> None:
        super().__init__(
            f"label_encoding: the gold tags of a sentence do not follow {label_encoding or 'the encoding'}: "
            f"{' '.join(tag_sequence)}. Set label_encoding to the encoding of the data ({', '.join(ENCODINGS)}), or let "
            "the dataset reader convert the tags (its coding_scheme)"
        )
        self.tag_sequence = tag_sequence


@Metric.register("span_f1")
class SpanBasedF1Measure(Metric):
    """Precision, recall and F1 of the spans that tag sequences encode, over all labels and for each label.

    A predicted span is correct if a gold span has the same label, first and last word. Under BIOUL a predicted span
    whose tags do not begin and end it properly is wrong; gold tags must be well-formed. A span with the label `C-X`
    continues the span `X` of its sentence: together they are one span, from the first word to the last.

    Subclasses may read and change the counts of this rank by label: `_true_positives`, `_false_positives` and
    `_false_negatives`.

    Args:
        vocabulary: contains the tags.
        tag_namespace: the namespace of the tags.
        ignore_classes: labels whose spans are excluded, predicted and gold.
        label_encoding: encoding of the tags: `BIO`, `IOB1`, `BIOUL` or `BMES`; None with `tags_to_spans_function`.
        tags_to_spans_function: finds the spans of a list of tags in another encoding; called with the tags and
            `ignore_classes`, returns `(label, (first, last))` for each span.
        strict: whether only spans with well-formed tags count, gold and predicted, as in `seqeval`'s strict mode;
            otherwise the rules of `conlleval` apply, by which `O I-X` under BIO is a span.

    Raises:
        ConfigurationError: an unknown encoding, not exactly one of encoding and function, or `strict` with a function.
    """

    supports_distributed = True
    _labels: list[str]
    # Correct, wrong and missed spans (S, 3) by position in `_labels`, on the device of the batches until they are read.
    _counts: Tensor

    def __init__(
        self,
        vocabulary: Vocabulary,
        tag_namespace: str = "tags",
        ignore_classes: list[str] | None = None,
        label_encoding: str | None = "BIO",
        tags_to_spans_function: TagsToSpans | None = None,
        strict: bool = False,
    ) -> None:
        if (label_encoding is None) == (tags_to_spans_function is None):
            raise ConfigurationError(
                "span_f1 takes either a label_encoding or a tags_to_spans_function; with the function, "
                f"label_encoding has to be null; got {label_encoding!r} and {tags_to_spans_function!r}"
            )
        if label_encoding is not None and label_encoding not in ENCODINGS:
            raise ConfigurationError(f"label_encoding: expected one of {ENCODINGS}, got {label_encoding!r}")
        if strict and label_encoding is None:
            raise ConfigurationError("span_f1: strict needs a label_encoding, got a tags_to_spans_function")
        if strict and label_encoding is not None:
            encoding = label_encoding
            tags_to_spans_function = lambda tags, ignored: well_formed_spans(tags, encoding, ignored)  # noqa: E731
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
        """Add one batch.

        Args:
            predictions: scores of the tags (B, L, C).
            gold_labels: tag ids (B, L).
            mask: true for words (B, L); only the number of words of each row is used.
            prediction_map: the tag id of each class, by sentence (B, C); by default the class itself.

        Raises:
            ConfigurationError: a gold id is not below C.
            InvalidGoldTags: gold tags that the encoding does not allow: unknown letters, or under BIOUL a span that is
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
        if mask is None:
            lengths = predicted.new_full((predicted.size(0),), predicted.size(1))  # (B,)
        else:
            lengths = mask.bool().sum(-1)
        self._refresh_table()
        if self._tags_to_spans_function is not None or self._continued:
            self._count_in_lists(predicted, gold_labels, lengths)
        else:
            self._count_in_tensors(predicted, gold_labels, lengths)

    def _count_in_tensors(self, predicted: Tensor, gold: Tensor, lengths: Tensor) -> None:
        assert self._label_encoding is not None
        table = self._table_on(predicted.device)
        spans = find_spans(torch.cat([predicted, gold]), lengths.repeat(2), table, self._label_encoding)
        halves = [tuple(part.chunk(2)) for part in spans]
        found, wanted = (type(spans)(*(half[side] for half in halves)) for side in (0, 1))
        self._require_well_formed(wanted.ill_formed, gold, lengths)
        self._add(count_spans(found, wanted, len(self._labels)))

    def _require_well_formed(self, ill_formed: Tensor, tags: Tensor, lengths: Tensor) -> None:
        if torch.compiler.is_compiling():
            return
        # on a GPU, finding the sentence would synchronize with the device
        tag_sequence = ["(tags of another encoding)"]
        if ill_formed.device.type == "cpu" and bool(ill_formed.any()):
            row = int(ill_formed.nonzero()[0])
            tag_sequence = self._tag_strings(tags[row].tolist(), int(lengths[row]))
        self._require(~ill_formed.any(), InvalidGoldTags(tag_sequence, self._label_encoding))

    def _count_in_lists(self, predicted: Tensor, gold: Tensor, lengths: Tensor) -> None:
        right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
        for predicted_ids, gold_ids, length in zip(
            predicted.tolist(), gold.tolist(), lengths.tolist(), strict=True
        ):
            found = self._spans_of(predicted_ids, length, gold=False)
            wanted = self._spans_of(gold_ids, length, gold=True)
            right.update(label for label, _ in found & wanted)
            wrong.update(label for label, _ in found - wanted)
            missed.update(label for label, _ in wanted - found)
        self._learn_labels([*right, *wrong, *missed])
        rows = [[right[label], wrong[label], missed[label]] for label in self._labels]
        self._add(torch.tensor(rows, dtype=torch.long).view(-1, 3))

    def _spans_of(self, tag_ids: list[int], length: int, gold: bool) -> set[TypedStringSpan]:
        if length == 0:
            return set()
        if self._tags_to_spans_function is not None:
            names = self._tag_strings(tag_ids, length)
            try:
                return _joined_continuations(set(self._tags_to_spans_function(names, self._ignore_classes)))
            except InvalidTagSequence as error:
                if gold:
                    raise InvalidGoldTags(names, None) from error
                return set()  # an invalid predicted tag sequence has no spans
        assert self._label_encoding is not None
        tags = torch.tensor([tag_ids[:length]])
        found = find_spans(tags, torch.tensor([length]), self._table_on(tags.device), self._label_encoding)
        if gold:
            self._require_well_formed(found.ill_formed, tags, torch.tensor([length]))
        ends = found.ends[0].nonzero().flatten().tolist()
        starts, labels, valid = found.starts[0].tolist(), found.labels[0].tolist(), found.valid[0].tolist()
        # an invalid span gets a start that no gold span has, so that it never matches
        spans = {
            (self._labels[labels[end]], (starts[end] if valid[end] else -1 - starts[end], end))
            for end in ends
        }
        return _joined_continuations({span for span in spans if span[0] not in self._ignore_classes})

    def _tag_strings(self, tag_ids: list[int], length: int) -> list[str]:
        return [self._label_vocabulary.get(tag_id, f"(no tag {tag_id})") for tag_id in tag_ids[:length]]

    def _refresh_table(self) -> None:
        """Update the table if the vocabulary has grown."""
        if len(self._label_vocabulary) == self._table_size or self._label_encoding is None:
            return
        labels = dict.fromkeys(map(span_label, self._label_vocabulary.values()))
        self._continued = any(label.startswith(_CONTINUATION) for label in labels)
        self._learn_labels(labels)
        ids = {label: index for index, label in enumerate(self._labels)}
        self._table = tag_table(self._label_vocabulary, self._label_encoding, ids)
        self._table_size = len(self._label_vocabulary)

    def _table_on(self, device: torch.device) -> "TagTable":
        assert self._table is not None
        if self._table.roles.device != device:
            self._table = TagTable(*(column.to(device) for column in self._table))
        return self._table

    def _learn_labels(self, labels: Iterable[str]) -> None:
        self._labels = list(dict.fromkeys([*self._labels, *labels]))

    def _add(self, counts: Tensor) -> None:
        held = self._counts.to(counts)
        new_rows = counts.new_zeros((counts.size(0) - held.size(0), 3))
        self._counts = torch.cat([held, new_rows]) + counts

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`precision-<label>`, `recall-<label>` and `f1-measure-<label>` of each label that occurred, then `-overall`.

        From 0 to 1; 0.0 without spans.
        """
        self._check_pending()
        counts = self._counts_of_all_ranks()
        if reset:
            self.reset()
        for label in self._ignore_classes:
            counts.pop(label, None)
        counts["overall"] = [sum(column) for column in zip([0, 0, 0], *counts.values(), strict=True)]
        metrics: dict[str, float] = {}
        for label, of_label in counts.items():
            metrics.update(self._named_scores(label, *of_label))
        return metrics

    @staticmethod
    def _compute_metrics(
        true_positives: int, false_positives: int, false_negatives: int
    ) -> tuple[float, float, float]:
        """Precision, recall and F1; exactly 1.0 if all spans are correct, and 0.0 without spans."""
        predicted, gold = true_positives + false_positives, true_positives + false_negatives
        return precision_recall_f1(true_positives, predicted, gold)

    def _named_scores(self, name: str, right: int, wrong: int, missed: int) -> dict[str, float]:
        kinds = ("precision", "recall", "f1-measure")
        scores = self._compute_metrics(right, wrong, missed)
        return {f"{kind}-{name}": score for kind, score in zip(kinds, scores, strict=True)}

    def _counts_of_all_ranks(self) -> dict[str, list[int]]:
        """Correct, wrong and missed spans of each label that occurred on any rank."""
        columns = self._read_columns()
        rows = {
            label: [column[label] for column in columns] for label in list(dict.fromkeys(chain(*columns)))
        }
        own = {label: row for label, row in rows.items() if any(row)}
        counts: dict[str, list[int]] = {}
        for share in gather_over_ranks(torch.tensor(list(json.dumps(own).encode()), dtype=torch.uint8)):
            for label, row in json.loads(bytes(share.tolist())).items():
                counts[label] = [sum(pair) for pair in zip(counts.get(label, [0, 0, 0]), row, strict=True)]
        return counts

    def _read_columns(self) -> tuple[defaultdict[str, int], ...]:
        """Correct, wrong and missed spans by label, after adding the counts in the tensor."""
        if self._counts.any():
            for label, row in zip(self._labels, self._counts.tolist(), strict=True):
                for column, count in zip(self._columns, row, strict=True):
                    column[label] += count
            self._counts.zero_()
        return self._columns

    @property
    def _true_positives(self) -> defaultdict[str, int]:
        return self._read_columns()[0]

    @property
    def _false_positives(self) -> defaultdict[str, int]:
        return self._read_columns()[1]

    @property
    def _false_negatives(self) -> defaultdict[str, int]:
        return self._read_columns()[2]

    def state_dict(self) -> dict[str, Any]:
        """The counts of correct, wrong and missed spans by label."""
        return {"columns": [dict(column) for column in self._read_columns()]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`; those of version 0.1 have labels and one tensor of counts."""
        self.reset()
        columns = state_dict.get("columns")
        if columns is None:
            rows = state_dict["_counts"].tolist()
            pairs = list(zip(state_dict["_labels"], rows, strict=False))
            columns = [{label: row[column] for label, row in pairs} for column in range(3)]
        for held, column in zip(self._columns, columns, strict=True):
            held.update(column)

    def reset(self) -> None:
        """Reset the metric."""
        self._labels = []
        self._counts = torch.zeros((0, 3), dtype=torch.long)
        self._columns: tuple[defaultdict[str, int], ...] = tuple(defaultdict(int) for _ in range(3))
        self._table_size = -1


def _joined_continuations(spans: set[TypedStringSpan]) -> set[TypedStringSpan]:
    """The spans with `C-X` and `X` joined to one span, from the first word to the last."""
    continued = {label[len(_CONTINUATION) :] for label, _ in spans if label.startswith(_CONTINUATION)}
    for label in continued:
        parts = {span for span in spans if span[0] in (label, _CONTINUATION + label)}
        start = min(first for _, (first, _) in parts)
        end = max(last for _, (_, last) in parts)
        spans = (spans - parts) | {(label, (start, end))}
    return spans


class TagTable(NamedTuple):
    """Tags by id: the role of each tag's letter (C + 1,) and the id of its span label (C + 1,).

    The last row is for all ids that are not tags.
    """

    roles: Tensor
    labels: Tensor


class Spans(NamedTuple):
    """Spans of a batch, each described at the position of its last word.

    `ends` (B, L) is true at those positions; `starts` (B, L) and `labels` (B, L) have the first word and the label of
    the span there; `valid` (B, L) is false if the encoding does not allow its first and last tag. `ill_formed` (B,) is
    true for sentences with tag sequences that the encoding does not allow.
    """

    ends: Tensor
    starts: Tensor
    labels: Tensor
    valid: Tensor
    ill_formed: Tensor


def tag_table(tags: Mapping[int, str], encoding: str, span_labels: Mapping[str, int]) -> TagTable:
    """The table of an encoding's tags.

    Args:
        tags: tag id -> tag.
        encoding: one of `ENCODINGS`.
        span_labels: span label -> its id.
    """
    size = max(tags, default=-1) + 2
    roles, labels = [_UNKNOWN] * size, [0] * size
    for tag_id, tag in tags.items():
        roles[tag_id] = _LETTERS[encoding].get(tag.partition("-")[0], _UNKNOWN)
        labels[tag_id] = span_labels[span_label(tag)]
    return TagTable(torch.tensor(roles), torch.tensor(labels))


def span_label(tag: str) -> str:
    """The label of a tag's span: `B-LOC` -> `LOC`; empty for a tag without one."""
    return tag.partition("-")[2]


def find_spans(tags: Tensor, lengths: Tensor, table: TagTable, encoding: str) -> Spans:
    """Find the spans of a batch of tag sequences.

    Under BIO, IOB1 and BMES, an ill-formed first tag begins a span all the same; under BIOUL such a span is not valid, and
    its sentence is ill-formed.

    Args:
        tags: tag ids (B, L).
        lengths: number of words of each sentence (B,).
        table: table of these tags, on the same device.
        encoding: one of `ENCODINGS`.
    """
    positions = torch.arange(tags.size(1), device=tags.device)
    real = positions < lengths.unsqueeze(1)  # (B, L)
    tags = tags.clamp(max=len(table.roles) - 1)
    roles = table.roles[tags].where(real, _OUTSIDE)  # (B, L)
    labels = table.labels[tags]  # (B, L)
    in_span = (roles != _OUTSIDE) & real
    is_continuation = torch.zeros_like(in_span)
    before, now = roles[:, :-1], roles[:, 1:]
    same_label = labels[:, :-1] == labels[:, 1:]
    if encoding in ("BIO", "IOB1"):
        is_continuation[:, 1:] = (now == _INSIDE) & in_span[:, :-1] & same_label
    else:
        is_open = (before == _BEGIN) | (before == _INSIDE)
        is_continuation[:, 1:] = ((now == _INSIDE) | (now == _LAST)) & is_open & same_label
    stops = torch.ones_like(in_span)
    stops[:, :-1] = ~is_continuation[:, 1:]
    starts = positions.where(in_span & ~is_continuation, -1).cummax(1).values if tags.size(1) else tags
    ill_formed = (roles == _UNKNOWN).any(1)
    valid = torch.ones_like(in_span)
    if encoding == "BIOUL":
        ill_formed |= _ill_formed_bioul(roles, is_continuation)
        first = roles.gather(1, starts.clamp(min=0))  # (B, L): the letter at the start of the span
        # B ... L, or a single U; the first and last letter of a span of one word are the same
        valid = ((first == _BEGIN) & (roles == _LAST)) | ((first == _SINGLE) & (roles == _SINGLE))
    return Spans(in_span & stops, starts, labels, valid, ill_formed)


def _ill_formed_bioul(roles: Tensor, is_continuation: Tensor) -> Tensor:
    """Whether a span is not closed, or a tag continues a span that was not opened: (B,)."""
    opens = (roles == _BEGIN) | (roles == _INSIDE)
    closed = torch.zeros_like(opens)
    closed[:, :-1] = is_continuation[:, 1:]
    continues = (roles == _INSIDE) | (roles == _LAST)
    return ((opens & ~closed) | (continues & ~is_continuation)).any(1)


def count_spans(predicted: Spans, gold: Spans, num_labels: int) -> Tensor:
    """The number of correct, wrong and missed spans by label: int64 (num_labels, 3).

    A predicted span is correct if it is valid and a gold span has the same first word, last word and label.
    """
    same = (predicted.starts == gold.starts) & (predicted.labels == gold.labels)
    right = predicted.ends & gold.ends & same & predicted.valid
    counts = torch.zeros(num_labels * 3, dtype=torch.long, device=right.device)
    for column, (spans, chosen) in enumerate(
        [(predicted, right), (predicted, predicted.ends & ~right), (gold, gold.ends & ~right)]
    ):
        counts.scatter_add_(0, (spans.labels * 3 + column).reshape(-1), chosen.reshape(-1).long())
    return counts.view(num_labels, 3)
