"""Batches of right-padded rows, sorted by length and cut into spans of steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["SortedRows", "UnsortedRows", "is_word", "turned_places"]

# B rows, T steps, D and H feature sizes, L layers times directions


class SortedRows:
    """How a batch is sorted by length and cut into spans of steps, so that little is computed at padding.

    Args:
        lengths: (B,) number of words of each row, in the order of the batch.
        num_steps: T of the batch.
        span_cost: what a span costs beyond its computations, in steps of one row. With 0, every row ends with a span, so
            that its state after that span is its final state.
    """

    def __init__(self, lengths: Tensor, num_steps: int, span_cost: float) -> None:
        in_batch = lengths.tolist()
        in_order = sorted(in_batch, reverse=True)
        self.num_steps = num_steps
        self.longest = in_order[0] if in_order else 0
        self.is_full = all(length == num_steps for length in in_batch)
        self.spans = _spans(in_order, span_cost)
        self.order: Tensor | None = None
        takes_some = any(rows < len(in_batch) for _, _, rows in self.spans)
        if takes_some and in_batch != in_order:
            self.order = lengths.argsort(descending=True, stable=True)
            self.inverse = self.order.argsort()
            lengths = lengths.index_select(0, self.order)
        self.lengths = lengths

    @cached_property
    def _is_padding(self) -> Tensor:
        """(B, longest, 1) bool."""
        return ~is_word(self.lengths, self.longest)

    @cached_property
    def _turned(self) -> Tensor:
        """(B * longest,)."""
        return turned_places(self.lengths, self.longest)

    def sort(self, tensor: Tensor) -> Tensor:
        """(B, T, D) in the order of the batch -> (B, longest, D) sorted, zeros at padding."""
        if self.is_full:
            return tensor
        tensor = tensor[:, : self.longest]
        if self.order is not None:
            tensor = tensor.index_select(0, self.order)
        return tensor.masked_fill(self._is_padding, 0)

    def restore(self, tensor: Tensor) -> Tensor:
        """The inverse of `sort`: (B, longest, H) -> (B, T, H), zeros at padding."""
        if self.is_full:
            return tensor
        tensor = tensor.masked_fill(self._is_padding, 0)
        if self.order is not None:
            tensor = tensor.index_select(0, self.inverse)
        return functional.pad(tensor, (0, 0, 0, self.num_steps - self.longest))

    def sort_states(self, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(L, B, H) each -> the same, sorted."""
        if self.order is None:
            return tuple(states)
        return tuple(state.index_select(1, self.order) for state in states)

    def restore_states(self, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The inverse of `sort_states`."""
        if self.order is None:
            return tuple(states)
        return tuple(state.index_select(1, self.inverse) for state in states)

    def turn(self, tensor: Tensor) -> Tensor:
        """Turn the words of every row around, leaving padding where it is: (B, longest, D) -> the same shape."""
        if self.is_full:
            return tensor.flip(1)
        return tensor.flatten(0, 1).index_select(0, self._turned).view_as(tensor)


class UnsortedRows:
    """The same for rows on a device that should not be waited for: all of them run over all steps.

    Args:
        lengths: (B,) number of words of each row.
        num_steps: T of the batch.
    """

    def __init__(self, lengths: Tensor, num_steps: int) -> None:
        self.spans = [(0, num_steps, len(lengths))]
        self._is_padding = ~is_word(lengths, num_steps)
        self._turned = turned_places(lengths, num_steps)

    def sort(self, tensor: Tensor) -> Tensor:
        """Put zeros at padding: (B, T, D) -> the same shape."""
        return tensor.masked_fill(self._is_padding, 0)

    restore = sort

    def turn(self, tensor: Tensor) -> Tensor:
        """Turn the words of every row around, leaving padding where it is: (B, T, D) -> the same shape."""
        return tensor.flatten(0, 1).index_select(0, self._turned).view_as(tensor)


def turned_places(lengths: Tensor, num_steps: int) -> Tensor:
    """Where each of the B * T positions goes when the words of every row are turned around; padding stays: (B * T,)."""
    steps = torch.arange(num_steps, device=lengths.device)
    last = lengths.unsqueeze(1) - 1
    turned = torch.where(steps <= last, last - steps, steps)  # (B, T)
    starts = num_steps * torch.arange(len(lengths), device=lengths.device)
    return (turned + starts.unsqueeze(1)).view(-1)


def is_word(lengths: Tensor, num_steps: int) -> Tensor:
    """(B, T, 1) bool, true for words."""
    return (torch.arange(num_steps, device=lengths.device) < lengths.unsqueeze(1)).unsqueeze(2)


def _spans(lengths: Sequence[int], span_cost: float) -> list[tuple[int, int, int]]:
    """Cut the steps into spans, each over the rows that are still going at its start, at the least cost.

    Args:
        lengths: longest first.
        span_cost: what a span costs beyond its computations, in steps of one row.

    Returns:
        (first step, last step + 1, number of rows) of each span; all rows take part in a single one.
    """
    longest = lengths[0] if lengths else 0
    if longest == 0:
        return []
    if len(lengths) * longest - sum(lengths) < span_cost:
        return [(0, longest, len(lengths))]
    ends = sorted({0, *lengths})
    going = [sum(length > end for length in lengths) for end in ends]
    # From the last end back: the least cost of all that follows an end, and where the span that starts there stops.
    costs, stops = [0.0] * len(ends), [0] * len(ends)
    for i in range(len(ends) - 2, -1, -1):
        costs[i], stops[i] = min(
            (span_cost + going[i] * (ends[j] - ends[i]) + costs[j], j) for j in range(i + 1, len(ends))
        )
    spans, i = [], 0
    while i < len(ends) - 1:
        spans.append((ends[i], ends[stops[i]], going[i]))
        i = stops[i]
    return spans
