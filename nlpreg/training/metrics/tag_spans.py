"""Spans of whole batches of tag sequences, found with tensor operations.

B sentences, L words, C tags, S span labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

ENCODINGS = ("BIO", "IOB1", "BIOUL", "BMES")

# What the first letter of a tag says about its word. Letters of one row mean the same to the code below.
_OUTSIDE, _BEGIN, _INSIDE, _LAST, _SINGLE, _UNKNOWN = range(6)
_LETTERS: dict[str, dict[str, int]] = {
    "BIO": {"O": _OUTSIDE, "B": _BEGIN, "I": _INSIDE},
    "IOB1": {"O": _OUTSIDE, "B": _BEGIN, "I": _INSIDE},
    "BIOUL": {"O": _OUTSIDE, "B": _BEGIN, "I": _INSIDE, "L": _LAST, "U": _SINGLE},
    "BMES": {"O": _OUTSIDE, "B": _BEGIN, "M": _INSIDE, "E": _LAST, "S": _SINGLE},
}


class TagTable(NamedTuple):
    """Tags by id: the role of each tag's letter (C + 1,) and the id of its span label (C + 1,).

    The last row stands for all ids that are no tags.
    """

    roles: Tensor
    labels: Tensor


class Spans(NamedTuple):
    """Spans of a batch, each described at the position of its last word.

    `ends` (B, L) is true at those positions; `starts` (B, L) and `labels` (B, L) have the first word and the label of
    the span there. `ill_formed` (B,) is true for sentences that no tagger of this encoding should give.
    """

    ends: Tensor
    starts: Tensor
    labels: Tensor
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
    """The spans of a batch of tag sequences.

    Ill-formed starts are taken for starts under BIO, IOB1 and BMES; under BIOUL such a sentence is ill-formed.

    Args:
        tags: tag ids (B, L).
        lengths: number of words of each sentence (B,).
        table: of these tags, on the same device.
        encoding: one of `ENCODINGS`.
    """
    positions = torch.arange(tags.size(1), device=tags.device)
    real = positions < lengths.unsqueeze(1)  # (B, L)
    tags = tags.clamp(max=len(table.roles) - 1)
    roles = table.roles[tags].where(real, _OUTSIDE)  # (B, L)
    labels = table.labels[tags]  # (B, L)
    in_span = (roles != _OUTSIDE) & real
    goes_on = torch.zeros_like(in_span)
    before, now = roles[:, :-1], roles[:, 1:]
    same_label = labels[:, :-1] == labels[:, 1:]
    if encoding in ("BIO", "IOB1"):
        goes_on[:, 1:] = (now == _INSIDE) & in_span[:, :-1] & same_label
    else:
        is_open = (before == _BEGIN) | (before == _INSIDE)
        goes_on[:, 1:] = ((now == _INSIDE) | (now == _LAST)) & is_open & same_label
    stops = torch.ones_like(in_span)
    stops[:, :-1] = ~goes_on[:, 1:]
    starts = positions.where(in_span & ~goes_on, -1).cummax(1).values if tags.size(1) else tags
    ill_formed = (roles == _UNKNOWN).any(1)
    if encoding == "BIOUL":
        ill_formed |= _ill_formed_bioul(roles, goes_on)
    return Spans(in_span & stops, starts, labels, ill_formed)


def _ill_formed_bioul(roles: Tensor, goes_on: Tensor) -> Tensor:
    """Whether a span is left open, or a word says that it continues one where none of its label is open: (B,)."""
    opens = (roles == _BEGIN) | (roles == _INSIDE)
    closed = torch.zeros_like(opens)
    closed[:, :-1] = goes_on[:, 1:]
    continues = (roles == _INSIDE) | (roles == _LAST)
    return ((opens & ~closed) | (continues & ~goes_on)).any(1)


def count_spans(predicted: Spans, gold: Spans, num_labels: int) -> Tensor:
    """How many spans are right, wrong and missed, by label: int64 (num_labels, 3).

    A predicted span is right if a gold span has the same first word, last word and label.
    """
    right = predicted.ends & gold.ends & (predicted.starts == gold.starts) & (predicted.labels == gold.labels)
    counts = torch.zeros(num_labels * 3, dtype=torch.long, device=right.device)
    for column, (spans, chosen) in enumerate(
        [(predicted, right), (predicted, predicted.ends & ~right), (gold, gold.ends & ~right)]
    ):
        counts.scatter_add_(0, (spans.labels * 3 + column).reshape(-1), chosen.reshape(-1).long())
    return counts.view(num_labels, 3)
