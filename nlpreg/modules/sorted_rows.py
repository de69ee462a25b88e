"""Batches of right-padded rows, sorted by length and cut into spans of steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["SortedRows", "is_word"]

# B rows, T steps, D and H feature sizes, L layers times directions


class SortedRows:
    """How a batch is sorted by length and cut into spans of steps.

    Args:
        lengths: (B,) number of words of each row, in the order of the batch.
        num_steps: T of the batch.
        is_exact: whether every row ends with a span, so that its state after that span is its final state.
    """

    def __init__(self, lengths: Tensor, num_steps: int, is_exact: bool) -> None:
        in_batch = lengths.tolist()
        in_order = sorted(in_batch, reverse=True)
        self.num_steps = num_steps
        self.longest = in_order[0] if in_order else 0
        self.is_full = all(length == num_steps for length in in_batch)
        self.order: Tensor | None = None
        if in_batch != in_order:
            self.order = lengths.argsort(descending=True, stable=True)
            self.inverse = self.order.argsort()
            lengths = lengths.index_select(0, self.order)
        self.lengths = lengths
        self.spans = _spans(in_order, is_exact)

    @cached_property
    def _is_padding(self) -> Tensor:
        """(B, longest, 1) bool."""
        return ~is_word(self.lengths, self.longest)

    @cached_property
    def _turned(self) -> Tensor:
        """(B * longest,) where each position goes when the words of every row are turned around; padding stays."""
        steps = torch.arange(self.longest, device=self.lengths.device)
        last = self.lengths.unsqueeze(1) - 1
        turned = torch.where(steps <= last, last - steps, steps)  # (B, longest)
        starts = self.longest * torch.arange(len(self.lengths), device=self.lengths.device)
        return (turned + starts.unsqueeze(1)).view(-1)

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


def is_word(lengths: Tensor, num_steps: int) -> Tensor:
    """(B, T, 1) bool, true for words."""
    return (torch.arange(num_steps, device=lengths.device) < lengths.unsqueeze(1)).unsqueeze(2)


def _spans(lengths: Sequence[int], is_exact: bool) -> list[tuple[int, int, int]]:
    """Cut the steps into spans, each over the rows that are still going at its start.

    Args:
        lengths: longest first.
        is_exact: cut at every length; otherwise where half of the rows that were still going have ended, so that
            at most half of what is computed is padding and there are few spans.

    Returns:
        (first step, last step + 1, number of rows) of each span.
    """
    spans = []
    start, going = 0, sum(length > 0 for length in lengths)
    while going:
        end = lengths[going - 1 if is_exact else going // 2]
        spans.append((start, end, going))
        start = end
        while going and lengths[going - 1] <= start:
            going -= 1
    return spans
