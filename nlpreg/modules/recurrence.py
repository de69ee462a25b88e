"""The loop over time that our own recurrent layers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from nlpreg.modules.sorted_rows import SortedRows
from nlpreg.nn.initializers import block_orthogonal

__all__ = [
    "LstmState",
    "PaddedRows",
    "Rows",
    "reset_gates",
    "run_padded_recurrence",
    "run_recurrence",
    "shapes_of_recurrence",
    "with_data",
]

LstmState = tuple[Tensor, Tensor]
"""Hidden state (B, H) and memory cell (B, C)."""


class PaddedRows(NamedTuple):
    """What our layers take in compiled models in place of a `PackedSequence`.

    Args:
        data: (B, T, D).
        lengths: (B,) number of words of each row, which come first.
    """

    data: Tensor
    lengths: Tensor


Rows = TypeVar("Rows", PackedSequence, PaddedRows)


def with_data(rows: Rows, data: Tensor) -> Rows:
    """The same rows with other data."""
    # The compiler of torch 2.6 does not look into `_replace`.
    return PaddedRows(data, rows.lengths) if isinstance(rows, PaddedRows) else rows._replace(data=data)


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


def run_padded_recurrence(
    make_step: Callable[[Tensor | None], Callable[[Tensor, LstmState], LstmState]],
    inputs: Tensor,
    lengths: Tensor,
    initial: LstmState,
    dropout_mask: Tensor | None,
    go_forward: bool,
) -> list[Tensor]:
    """Run one direction over right-padded rows in any order.

    Args:
        make_step: gives the step of `run_recurrence` for the mask of sorted rows.
        inputs: (B, T, D).
        lengths: (B,) number of words of each row, from 0 to T.
        initial: as in `run_recurrence`.
        dropout_mask: (B, H), or None.
        go_forward: whether to run from left to right.

    Returns:
        The hidden states (B, T, H), zeros at padding, and the two states of all rows after the last word that they came
        to. They share no memory with the arguments.
    """
    rows = SortedRows(lengths, inputs.size(1), span_cost=0.0)
    words = rows.sort(inputs)
    steps = [words[:going, t] for start, end, going in rows.spans for t in range(start, end)]
    h, c = (part.squeeze(0) for part in rows.sort_states([part.unsqueeze(0) for part in initial]))
    if dropout_mask is not None:
        (dropout_mask,) = (part.squeeze(0) for part in rows.sort_states([dropout_mask.unsqueeze(0)]))
    outputs, final = run_recurrence(make_step(dropout_mask), steps, (h, c), go_forward)
    if outputs:
        padded = [functional.pad(output, (0, 0, 0, len(lengths) - len(output))) for output in outputs]
        hidden = rows.restore(torch.stack(padded, dim=1))
    else:
        hidden = inputs.new_zeros(*inputs.shape[:2], h.size(1))
    h, c = (part.squeeze(0) for part in rows.restore_states([part.unsqueeze(0) for part in final]))
    return [hidden, h.clone(), c.clone()]


def shapes_of_recurrence(
    inputs: Tensor, lengths: Tensor, hidden: Tensor, memory: Tensor, *_: Any
) -> list[Tensor]:
    """Empty tensors like the results of an operator that runs a recurrence over such arguments."""
    output = hidden.new_empty(inputs.size(0), inputs.size(1), hidden.size(1))
    return [output, torch.empty_like(hidden), torch.empty_like(memory)]


def reset_gates(input_linearity: nn.Linear, state_linearity: nn.Linear, size: int) -> None:
    """Make each gate's weights orthogonal, and the state's biases zero but that of the forget gate, which is one.

    Args:
        input_linearity: the projection of the input to all gates.
        state_linearity: the projection of the hidden state to all gates, of which the second is the forget gate.
        size: the size of a gate.
    """
    for layer in (input_linearity, state_linearity):
        block_orthogonal(layer.weight.data, [size, layer.in_features])
    state_linearity.bias.data.zero_()
    state_linearity.bias.data[size : 2 * size] = 1.0
