"""torch's LSTM, GRU and RNN over right-padded batches: the numbers of packing, faster than packing.

On the CPU the rows are sorted by length and the steps cut into a few spans. Each span runs torch's fused kernel over the
rows that are still going, so little is computed at padding. The backward direction is the forward one over rows that
were turned around within their lengths. On a GPU, one direction runs over the padded batch as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

__all__ = ["can_run_padded", "run_padded"]

# B rows, T steps, D and H feature sizes, L layers times directions, R rows that are still going

_KERNELS = {
    "LSTM": torch._VF.lstm,
    "GRU": torch._VF.gru,
    "RNN_TANH": torch._VF.rnn_tanh,
    "RNN_RELU": torch._VF.rnn_relu,
}


def can_run_padded(module: nn.Module) -> bool:
    """Whether `run_padded` takes this module: one of torch's own, batch first, without projection and hooks."""
    return (
        type(module) in (nn.LSTM, nn.GRU, nn.RNN)
        and module.batch_first
        and not module.proj_size
        and not module._forward_hooks
        and not module._forward_pre_hooks
    )


def run_padded(
    module: nn.RNNBase,
    inputs: Tensor,
    lengths: Tensor,
    state: tuple[Tensor, ...] | None = None,
    needs_final_state: bool = False,
) -> tuple[Tensor, tuple[Tensor, ...] | None]:
    """Run one of torch's recurrent modules over a right-padded batch.

    Args:
        module: see `can_run_padded`.
        inputs: (B, T, D); what stands at padding has no influence, NaN included.
        lengths: (B,) number of words of each row, from 0 to T.
        state: initial states, (L, B, H) each; None for zeros.
        needs_final_state: whether the states after the last word of each row are wanted.

    Returns:
        Outputs (B, T, H, or 2 H for both directions), zeros at padding; and the final states (L, B, H) if wanted, else
        None. The final state of a row of length 0 is its initial one.
    """
    # A rectifier does not bound the state, which could grow beyond all limits where nobody looks.
    is_exact = needs_final_state or module.mode == "RNN_RELU"
    if inputs.is_cuda:
        if is_exact or module.bidirectional:
            return _run_packed(module, inputs, lengths, state)
        valid = _valid_positions(lengths, inputs.size(1))
        output, _ = module(inputs.masked_fill(~valid, 0), _as_argument(state))
        return output.masked_fill(~valid, 0), None
    rows = _SortedRows(lengths, inputs.size(1), is_exact)
    output, final = _run_layers(module, rows.sort(inputs), rows, rows.sort_states(state))
    return rows.restore(output), rows.restore_states(final) if needs_final_state else None


def _run_layers(
    module: nn.RNNBase, inputs: Tensor, rows: _SortedRows, state: tuple[Tensor, ...] | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All layers and directions over sorted rows."""
    num_directions = 2 if module.bidirectional else 1
    finals = []
    for layer in range(module.num_layers):
        outputs = []
        for direction in range(num_directions):
            weights = _weights(module, layer, is_backward=direction == 1)
            initial = _initial_state(module, inputs, state, layer * num_directions + direction)
            if direction == 0:
                output, final = _run_direction(module.mode, inputs, rows, initial, weights)
            else:
                output, final = _run_direction(module.mode, rows.turn(inputs), rows, initial, weights)
                output = rows.turn(output)
            outputs.append(output)
            finals.append(final)
        inputs = outputs[0] if num_directions == 1 else torch.cat(outputs, dim=-1)
        if module.dropout and module.training and layer + 1 < module.num_layers:
            inputs = functional.dropout(inputs, module.dropout)
    return inputs, tuple(torch.cat(parts) for parts in zip(*finals, strict=True))


def _run_direction(
    mode: str, inputs: Tensor, rows: _SortedRows, state: tuple[Tensor, ...], weights: list[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer from left to right, span by span, over the rows that are still going.

    Args:
        mode: the kind of module, as in `nn.RNNBase.mode`.
        inputs: (B, T, D) sorted.
        rows: how they are sorted and cut into spans.
        state: initial states, (1, B, H) each.
        weights: of this layer and direction.

    Returns:
        Outputs (B, T, H), and the states (1, B, H) after the last span in which a row took part.
    """
    kernel = _KERNELS[mode]
    num_rows, num_steps = inputs.size(0), inputs.size(1)
    outputs, ended = [], []
    for start, end, going in rows.spans:
        ended.append(tuple(part[:, going:] for part in state))
        state = tuple(part[:, :going] for part in state)
        initial = state if mode == "LSTM" else state[0]
        output, *state = kernel(
            inputs[:going, start:end], initial, weights, len(weights) == 4, 1, 0.0, torch.is_grad_enabled(), False, True
        )  # fmt: skip
        outputs.append(functional.pad(output, (0, 0, 0, 0, 0, num_rows - going)))
    ended.append(tuple(state))
    final = tuple(torch.cat(parts[::-1], dim=1) for parts in zip(*ended, strict=True))
    if not outputs:
        return inputs.new_zeros(num_rows, num_steps, weights[1].size(1)), final
    return torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0], final


@dataclass
class _SortedRows:
    """How a batch is sorted by length and cut into spans of steps.

    Args:
        lengths: (B,) in the order of the batch.
        num_steps: T of the batch.
        is_exact: whether every row ends with a span, so that its state after that span is its final state.
    """

    lengths: Tensor
    num_steps: int
    is_exact: bool

    def __post_init__(self) -> None:
        lengths = self.lengths.tolist()
        self.is_full = min(lengths, default=0) == self.num_steps
        self.is_sorted = self.is_full or lengths == sorted(lengths, reverse=True)
        if not self.is_sorted:
            self.lengths, self.order = self.lengths.sort(descending=True, stable=True)
            self.inverse = self.order.argsort()
            lengths = self.lengths.tolist()
        self.longest = lengths[0] if lengths else 0
        self.spans = list(_spans(lengths, self.is_exact))

    @cached_property
    def _is_padding(self) -> Tensor:
        """(B, longest, 1) bool."""
        return ~_valid_positions(self.lengths, self.longest)

    @cached_property
    def _turned(self) -> Tensor:
        """(B * longest,) where each position goes when the words of every row are turned around; padding stays."""
        steps = torch.arange(self.longest)
        last = self.lengths.unsqueeze(1) - 1
        turned = torch.where(steps <= last, last - steps, steps)  # (B, longest)
        return (turned + self.longest * torch.arange(len(self.lengths)).unsqueeze(1)).view(-1)

    def sort(self, tensor: Tensor) -> Tensor:
        """(B, T, D) in the order of the batch -> (B, longest, D) sorted, zeros at padding."""
        if self.is_full:
            return tensor
        tensor = tensor[:, : self.longest]
        if not self.is_sorted:
            tensor = tensor.index_select(0, self.order)
        return tensor.masked_fill(self._is_padding, 0)

    def restore(self, tensor: Tensor) -> Tensor:
        """The inverse of `sort`: (B, longest, H) -> (B, T, H), zeros at padding."""
        if self.is_full:
            return tensor
        tensor = tensor.masked_fill(self._is_padding, 0)
        if not self.is_sorted:
            tensor = tensor.index_select(0, self.inverse)
        return functional.pad(tensor, (0, 0, 0, self.num_steps - self.longest))

    def sort_states(self, states: tuple[Tensor, ...] | None) -> tuple[Tensor, ...] | None:
        """(L, B, H) each -> the same, sorted."""
        if states is None or self.is_sorted:
            return states
        return tuple(state.index_select(1, self.order) for state in states)

    def restore_states(self, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The inverse of `sort_states`."""
        if self.is_sorted:
            return states
        return tuple(state.index_select(1, self.inverse) for state in states)

    def turn(self, tensor: Tensor) -> Tensor:
        """Turn the words of every row around, leaving padding where it is: (B, longest, D) -> the same shape."""
        if self.is_full:
            return tensor.flip(1)
        return tensor.flatten(0, 1).index_select(0, self._turned).view_as(tensor)


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


def _weights(module: nn.RNNBase, layer: int, is_backward: bool) -> list[Tensor]:
    """The weights of one layer and direction, in the order that torch's kernels take them."""
    suffix = f"l{layer}_reverse" if is_backward else f"l{layer}"
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] if module.bias else ["weight_ih", "weight_hh"]
    return [getattr(module, f"{name}_{suffix}") for name in names]


def _initial_state(
    module: nn.RNNBase, inputs: Tensor, state: tuple[Tensor, ...] | None, index: int
) -> tuple[Tensor, ...]:
    """(1, B, H) each, for one layer and direction."""
    if state is not None:
        return tuple(part[index : index + 1] for part in state)
    zeros = inputs.new_zeros(1, inputs.size(0), module.hidden_size)
    return (zeros, zeros) if module.mode == "LSTM" else (zeros,)


def _run_packed(
    module: nn.RNNBase, inputs: Tensor, lengths: Tensor, state: tuple[Tensor, ...] | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same by packing, which costs a wait for the device: the lengths are needed on the CPU."""
    packed = pack_padded_sequence(inputs, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    output, final = module(packed, _as_argument(state))
    padded, _ = pad_packed_sequence(output, batch_first=True, total_length=inputs.size(1))
    # Packing takes no empty rows, so these ran over one step of padding.
    is_empty = (lengths == 0).view(-1, 1, 1)
    finals = (final,) if isinstance(final, Tensor) else final
    before = state or tuple(torch.zeros_like(part) for part in finals)
    kept = tuple(
        torch.where(is_empty.view(1, -1, 1), old, new) for old, new in zip(before, finals, strict=True)
    )
    return padded.masked_fill(is_empty, 0), kept


def _as_argument(state: tuple[Tensor, ...] | None) -> Tensor | tuple[Tensor, ...] | None:
    """A state as modules take it: a bare tensor unless it has two parts."""
    return state[0] if state is not None and len(state) == 1 else state


def _valid_positions(lengths: Tensor, num_steps: int) -> Tensor:
    """(B, T, 1) bool, true for words."""
    return (torch.arange(num_steps, device=lengths.device) < lengths.unsqueeze(1)).unsqueeze(2)
