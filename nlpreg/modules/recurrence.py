"""The loop over time of nlpreg's own recurrent layers, over right-padded rows sorted by length."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from nlpreg.nn.initializers import block_orthogonal
from nlpreg.nn.operators import define_operator, for_autocast
from nlpreg.nn.util import get_dropout_mask

# B rows, T steps, D and H feature sizes, L layers times directions


class SortedRows:
    """A batch sorted by length and split into spans of time steps, so that little is computed at padding.

    Args:
        lengths: (B,) number of words of each row, in the order of the batch.
        num_steps: T of the batch.
        span_cost: overhead of a span, in units of one step of one row. With 0, every row ends at the end of a span, so that its
            state there is its final state.
    """

    def __init__(self, lengths: Tensor, num_steps: int, span_cost: float) -> None:
        in_batch = lengths.tolist()
        in_order = sorted(in_batch, reverse=True)
        self.num_steps = num_steps
        self.longest = in_order[0] if in_order else 0
        self.is_full = all(length == num_steps for length in in_batch)
        self.spans = _spans(in_order, span_cost)
        self._device = lengths.device
        self._lengths = np.array(in_batch, np.int64)
        self._order: NDArray[np.int64] | None = None
        takes_some = any(rows < len(in_batch) for _, _, rows in self.spans)
        if takes_some and in_batch != in_order:
            self._order = np.argsort(-self._lengths, kind="stable")
        self._sorted_lengths = self._lengths if self._order is None else self._lengths[self._order]

    @cached_property
    def order(self) -> Tensor | None:
        """(B,) the row of the batch that each sorted row is; None if none has moved."""
        return None if self._order is None else self._tensor(self._order)

    @cached_property
    def inverse(self) -> Tensor:
        """(B,) the sorted row that each row of the batch is."""
        assert self._order is not None
        return self._tensor(np.argsort(self._order))

    def _tensor(self, array: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    @cached_property
    def _moves(self) -> "tuple[_Move, _Move]":
        """From the order of the batch to sorted rows, and back."""
        # Numpy, because torch needs several times as long for such small arrays.
        num_rows, longest, num_steps = len(self._lengths), self.longest, self.num_steps
        order = np.arange(num_rows) if self._order is None else self._order
        steps = np.arange(num_steps)
        columns = steps[:longest, None]
        to_sorted = columns + num_steps * order
        to_batch = num_rows * np.minimum(steps, longest - 1) + np.argsort(order)[:, None]
        is_blank = columns >= self._sorted_lengths
        is_blank_in_batch = steps >= self._lengths[:, None]
        return (
            _Move(
                self._tensor(to_sorted.ravel()),
                self._tensor(np.flatnonzero(is_blank)),
                (longest, num_rows),
            ),
            _Move(
                self._tensor(to_batch.ravel()),
                self._tensor(np.flatnonzero(is_blank_in_batch)),
                (num_rows, num_steps),
            ),
        )

    @cached_property
    def _reversed(self) -> Tensor:
        """(longest * B,) where the steps come first."""
        lengths = self._sorted_lengths
        steps, last = np.arange(self.longest)[:, None], lengths - 1
        turned = np.where(steps <= last, last - steps, steps)  # (longest, B)
        return self._tensor((turned * len(lengths) + np.arange(len(lengths))).ravel())

    def sort(self, tensor: Tensor) -> Tensor:
        """(B, T, D) in the order of the batch -> (B, longest, D) sorted, zeros at padding."""
        if self.is_full:
            return tensor
        if not self.longest:
            return tensor[:, :0]
        return self._moves[0](tensor).transpose(0, 1)

    def restore(self, tensor: Tensor) -> Tensor:
        """The inverse of `sort`: (B, longest, H) -> (B, T, H), zeros at padding."""
        if self.is_full:
            return tensor
        if not self.longest:
            return pad_end(tensor, self.num_steps)
        return self._moves[1](tensor.transpose(0, 1))

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

    def reverse(self, tensor: Tensor) -> Tensor:
        """Reverse the words of every row, leaving padding where it is: (B, longest, D) -> the same shape."""
        if self.is_full:
            return tensor.flip(1)
        by_step = tensor.transpose(0, 1)  # in this order in memory
        return by_step.flatten(0, 1).index_select(0, self._reversed).view_as(by_step).transpose(0, 1)


class UnsortedRows:
    """Replaces `SortedRows` on accelerators, to avoid a synchronization: all rows run over all steps.

    Args:
        lengths: (B,) number of words of each row.
        num_steps: T of the batch.
    """

    def __init__(self, lengths: Tensor, num_steps: int) -> None:
        self.spans = [(0, num_steps, lengths.size(0))]
        self._is_padding = ~is_word(lengths, num_steps)
        self._reversed = reversed_positions(lengths, num_steps)

    def sort(self, tensor: Tensor) -> Tensor:
        """Set padding to zero: (B, T, D) -> the same shape."""
        return tensor.masked_fill(self._is_padding, 0)

    restore = sort

    def sort_states(self, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The states, unchanged."""
        return tuple(states)

    restore_states = sort_states

    def reverse(self, tensor: Tensor) -> Tensor:
        """Reverse the words of every row, leaving padding where it is: (B, T, D) -> the same shape."""
        return tensor.flatten(0, 1).index_select(0, self._reversed).view_as(tensor)


class _Move(NamedTuple):
    """Which row of a matrix comes from which of another.

    Args:
        sources: the place of each row in the other matrix.
        blanks: the places that get zeros instead.
        shape: the first two sizes of the tensor whose flat form the matrix is.
    """

    sources: Tensor
    blanks: Tensor
    shape: tuple[int, int]

    def __call__(self, tensor: Tensor) -> Tensor:
        """Make the tensor of this shape."""
        # much faster than `masked_fill` with a mask without the last dimension
        rows = tensor.flatten(0, 1).index_select(0, self.sources).index_fill_(0, self.blanks, 0)
        return rows.view(*self.shape, rows.size(1))


def pad_end(tensor: Tensor, count: int) -> Tensor:
    """Append zeros to (B, T, D) in dimension 1; with none to append, the tensor itself, which torch would copy."""
    return functional.pad(tensor, (0, 0, 0, count)) if count else tensor


def reversed_positions(lengths: Tensor, num_steps: int) -> Tensor:
    """Flat index (B * T,) that reverses the words of every row and leaves padding in place."""
    steps = torch.arange(num_steps, device=lengths.device)
    # (B, 1)
    last = lengths.unsqueeze(1) - 1
    turned = torch.where(steps <= last, last - steps, steps)  # (B, T)
    starts = num_steps * torch.arange(lengths.size(0), device=lengths.device)
    return (turned + starts.unsqueeze(1)).view(-1)


def is_word(lengths: Tensor, num_steps: int) -> Tensor:
    """(B, T, 1) bool, true for words."""
    return (torch.arange(num_steps, device=lengths.device) < lengths.unsqueeze(1)).unsqueeze(2)


def _spans(lengths: Sequence[int], span_cost: float) -> list[tuple[int, int, int]]:
    """Split the steps into spans, each over the rows that are still active at its start, at minimal cost.

    Args:
        lengths: in descending order.
        span_cost: overhead of a span, in units of one step of one row.

    Returns:
        (first step, last step + 1, number of rows) of each span.
    """
    longest = lengths[0] if lengths else 0
    if longest == 0:
        return []
    if len(lengths) * longest - sum(lengths) < span_cost:
        return [(0, longest, len(lengths))]
    ends = sorted({0, *lengths})
    num_active = [sum(length > end for length in lengths) for end in ends]
    # Dynamic programming from the last end backwards: the minimal cost of everything after an end, and the end of the
    # span that starts there.
    costs, stops = [0.0] * len(ends), [0] * len(ends)
    for i in range(len(ends) - 2, -1, -1):
        costs[i], stops[i] = min(
            (span_cost + num_active[i] * (ends[j] - ends[i]) + costs[j], j) for j in range(i + 1, len(ends))
        )
    spans, i = [], 0
    while i < len(ends) - 1:
        spans.append((ends[i], ends[stops[i]], num_active[i]))
        i = stops[i]
    return spans


LstmState = tuple[Tensor, Tensor]
"""Hidden state (B, H) and memory cell (B, C)."""

Step = Callable[[Tensor, LstmState], LstmState]
"""Maps the projected inputs and the states of the first n rows to their next states."""


class PaddedRows(NamedTuple):
    """The input of nlpreg's recurrent layers in compiled models, instead of a `PackedSequence`.

    Args:
        data: (B, T, D).
        lengths: (B,) number of words of each row, which come first.
    """

    data: Tensor
    lengths: Tensor


Rows = TypeVar("Rows", PackedSequence, PaddedRows)


def with_data(rows: Rows, data: Tensor) -> Rows:
    """A copy of the rows with different data."""
    # torch.compile of torch 2.6 cannot trace `_replace`.
    return PaddedRows(data, rows.lengths) if isinstance(rows, PaddedRows) else rows._replace(data=data)


def run_recurrence(
    step: Step,
    inputs: Sequence[Tensor],
    initial: LstmState,
    go_forward: bool = True,
) -> tuple[list[Tensor], LstmState]:
    """Run one direction over rows sorted by length in descending order, without computing anything at padding.

    Args:
        step: maps the inputs and the states of the first n rows to their next states.
        inputs: for each step t, the inputs (n, D) of the n rows longer than t; n does not increase.
        initial: the initial states of each row.
        go_forward: whether to run from left to right.

    Returns:
        For each step the hidden states (n, H), and the final states of all rows.
    """
    outputs: list[Tensor] = []
    if not go_forward:
        # Backward, the longest row starts alone, and shorter rows join at their last word.
        state = (initial[0][:0], initial[1][:0])
        for x in reversed(inputs):
            state = _append_rows(state, initial, x.size(0))
            state = step(x, state)
            outputs.append(state[0])
        outputs.reverse()
        return outputs, _append_rows(state, initial, initial[0].size(0))
    state = initial
    ended: list[LstmState] = []
    for x in inputs:
        num_active = x.size(0)
        if num_active < state[0].size(0):
            ended.append((state[0][num_active:], state[1][num_active:]))
            state = (state[0][:num_active], state[1][:num_active])
        state = step(x, state)
        outputs.append(state[0])
    ended.append(state)
    return outputs, (torch.cat([h for h, _ in reversed(ended)]), torch.cat([c for _, c in reversed(ended)]))


def _append_rows(state: LstmState, initial: LstmState, num_rows: int) -> LstmState:
    """Append further rows in their initial states, up to `num_rows`."""
    joined = state[0].size(0)
    if joined == num_rows:
        return state
    h, c = (torch.cat([own, first[joined:num_rows]]) for own, first in zip(state, initial, strict=True))
    return h, c


def run_padded_recurrence(
    make_step: Callable[[Tensor | None], Step],
    inputs: Tensor,
    lengths: Tensor,
    initial: LstmState,
    dropout_mask: Tensor | None,
    go_forward: bool,
) -> list[Tensor]:
    """Run one direction over right-padded rows in any order.

    Args:
        make_step: makes the `step` of `run_recurrence` from the dropout mask of the sorted rows.
        inputs: (B, T, D).
        lengths: (B,) number of words of each row, from 0 to T.
        initial: as in `run_recurrence`.
        dropout_mask: (B, H), or None.
        go_forward: whether to run from left to right.

    Returns:
        The hidden states (B, T, H), zeros at padding, and the two final states of all rows. They share no memory with the
        arguments.
    """
    rows = SortedRows(lengths, inputs.size(1), span_cost=0.0)
    # (B, longest, D)
    words = rows.sort(inputs)
    steps = [words[:num_active, t] for start, end, num_active in rows.spans for t in range(start, end)]
    given = initial if dropout_mask is None else (*initial, dropout_mask)
    h, c, *masks = (part.squeeze(0) for part in rows.sort_states([part.unsqueeze(0) for part in given]))
    step = make_step(masks[0] if masks else None)
    outputs, final = run_recurrence(step, steps, (h, c), go_forward)
    if outputs:
        padded = [functional.pad(output, (0, 0, 0, len(lengths) - len(output))) for output in outputs]
        # (B, T, H)
        hidden = rows.restore(torch.stack(padded, dim=1))
    else:
        hidden = inputs.new_zeros(*inputs.shape[:2], h.size(1))
    h, c = (part.squeeze(0) for part in rows.restore_states([part.unsqueeze(0) for part in final]))
    return [hidden, h.clone(), c.clone()]


def _shapes_of_recurrence(
    inputs: Tensor, lengths: Tensor, hidden: Tensor, memory: Tensor, *_: Any
) -> list[Tensor]:
    """The fake kernel of `define_recurrence`: empty tensors of the shapes of the results."""
    output = hidden.new_empty(inputs.size(0), inputs.size(1), hidden.size(1))
    return [output, torch.empty_like(hidden), torch.empty_like(memory)]


def define_recurrence(
    name: str, parameters: str, make_step: Callable[..., Step]
) -> Callable[..., list[Tensor]]:
    """Register the loop of a layer over padded rows as an operator, see `define_operator`.

    Args:
        name: unique name, `namespace::name`.
        parameters: names and types of the weights and options of a step, in torch's schema language.
        make_step: makes the `step` of `run_recurrence` from these and the dropout mask of the sorted rows.

    Returns:
        The operator. It takes the projected inputs, the lengths, the two states, the parameters, the dropout mask and
        whether to run from left to right; it returns what `run_padded_recurrence` does.
    """

    def run(projected: Tensor, lengths: Tensor, hidden: Tensor, memory: Tensor, *others: Any) -> list[Tensor]:
        *weights, dropout_mask, go_forward = others
        initial = (hidden, memory)
        return run_padded_recurrence(
            partial(make_step, *weights), projected, lengths, initial, dropout_mask, go_forward
        )

    signature = (
        f"Tensor projected, Tensor lengths, Tensor hidden, Tensor memory, {parameters}, Tensor? dropout_mask, "
        "bool go_forward"
    )
    return define_operator(name, signature, run, _shapes_of_recurrence)


class RecurrentLayer(nn.Module):
    """Base of nlpreg's LSTM layers, which run in one direction over packed or padded rows.

    Subclasses set the attributes below and implement `project` and `step_parameters`.

    Attributes:
        go_forward: whether it runs from left to right; false for right to left, from the last word of each row.
        recurrent_dropout_probability: dropout probability of the hidden state, from 0 to 1.
        state_sizes: widths of the hidden state and of the memory cell.
        make_step: see `define_recurrence`.
        operator: what `define_recurrence` returned.
    """

    go_forward: bool
    recurrent_dropout_probability: float
    state_sizes: tuple[int, int]
    make_step: Callable[..., Step]
    operator: Callable[..., list[Tensor]]

    def project(self, inputs: Tensor) -> Tensor:
        """The input's part in all gates, (..., D) -> (..., gates)."""
        raise NotImplementedError(f"{type(self).__name__} does not implement project")

    def step_parameters(self) -> tuple[list[Tensor], list[Any]]:
        """The weights and the options of a step."""
        raise NotImplementedError(f"{type(self).__name__} does not implement step_parameters")

    def run_rows(self, inputs: Rows, states: LstmState | None = None) -> tuple[Rows, LstmState]:
        """Run over rows.

        Args:
            inputs: packed rows, or in compiled models padded ones.
            states: the initial states, (1, B, H) and (1, B, C); None for zeros.

        Returns:
            Rows of hidden states, and the states after the last word of each row, as `states`.
        """
        data = inputs.data
        batch_sizes: list[int] = [] if isinstance(inputs, PaddedRows) else inputs.batch_sizes.tolist()
        num_rows = batch_sizes[0] if batch_sizes else data.size(0)
        if states is None:
            h, c = (data.new_zeros(num_rows, size) for size in self.state_sizes)
        else:
            h, c = states[0].squeeze(0), states[1].squeeze(0)
        if not isinstance(inputs, PaddedRows) and inputs.sorted_indices is not None:
            h, c = h[inputs.sorted_indices], c[inputs.sorted_indices]
        mask = None  # (B, H)
        if self.training and self.recurrent_dropout_probability > 0.0:
            mask = get_dropout_mask(self.recurrent_dropout_probability, h)
        projected = self.project(data)
        weights, options = self.step_parameters()
        if isinstance(inputs, PaddedRows):
            projected, h, c, *weights = for_autocast(projected, h, c, *weights)
            output, h, c = self.operator(
                projected, inputs.lengths, h, c, *weights, *options, mask, self.go_forward
            )
        else:
            step = self.make_step(*weights, *options, mask)
            outputs, (h, c) = run_recurrence(
                step, torch.split(projected, batch_sizes), (h, c), self.go_forward
            )
            output = torch.cat(outputs)
            if inputs.unsorted_indices is not None:
                h, c = h[inputs.unsorted_indices], c[inputs.unsorted_indices]
        return with_data(inputs, output), (h.unsqueeze(0), c.unsqueeze(0))


def reset_gates(input_linearity: nn.Linear, state_linearity: nn.Linear, size: int) -> None:
    """Initialize the weights of each gate orthogonally, the bias of the forget gate to one and other state biases to zero.

    Args:
        input_linearity: the projection of the input to all gates.
        state_linearity: the projection of the hidden state to all gates, of which the second is the forget gate.
        size: the size of a gate.
    """
    for layer in (input_linearity, state_linearity):
        block_orthogonal(layer.weight.data, [size, layer.in_features])
    state_linearity.bias.data.zero_()
    state_linearity.bias.data[size : 2 * size] = 1.0
