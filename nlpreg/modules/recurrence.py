"""The loop over time that our own recurrent layers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["LstmState", "run_recurrence"]

LstmState = tuple[Tensor, Tensor]
"""Hidden state (B, H) and memory cell (B, C)."""


def run_recurrence(
    step: Callable[[Tensor, LstmState], LstmState],
    inputs: Sequence[Tensor],
    initial: LstmState,
    go_forward: bool = True,
) -> tuple[list[Tensor], LstmState]:
    """Run one direction over rows sorted by length, longest first, computing nothing at padding.

    Args:
        step: takes the inputs and the states of the first n rows, gives their next states.
        inputs: for each step, those of the n rows that are at least so long, (n, D); n never grows.
        initial: the states before the first word of each row, or after its last word when going backward.
        go_forward: whether to run from left to right.

    Returns:
        For each step the hidden states (n, H), and the states of all rows after the last word that they came to.
    """
    outputs: list[Tensor] = []
    if not go_forward:
        state = _first_rows(initial, 0)
        for x in reversed(inputs):
            state = _append_rows(state, initial, x.size(0))
            state = step(x, state)
            outputs.append(state[0])
        outputs.reverse()
        return outputs, _append_rows(state, initial, initial[0].size(0))
    state = initial
    ended: list[LstmState] = []
    for x in inputs:
        going = x.size(0)
        if going < state[0].size(0):
            ended.append((state[0][going:], state[1][going:]))
            state = _first_rows(state, going)
        state = step(x, state)
        outputs.append(state[0])
    ended.append(state)
    return outputs, (torch.cat([h for h, _ in reversed(ended)]), torch.cat([c for _, c in reversed(ended)]))


def _first_rows(state: LstmState, num_rows: int) -> LstmState:
    """The states of the longest rows."""
    return state[0][:num_rows], state[1][:num_rows]


def _append_rows(state: LstmState, initial: LstmState, num_rows: int) -> LstmState:
    """Let further rows join, from their initial states, until there are `num_rows`."""
    joined = state[0].size(0)
    if joined == num_rows:
        return state
    if joined == 0:
        return _first_rows(initial, num_rows)
    return (
        torch.cat([state[0], initial[0][joined:num_rows]]),
        torch.cat([state[1], initial[1][joined:num_rows]]),
    )
