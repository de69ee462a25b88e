"""One layer of torch's LSTM, GRU or RNN in one direction over sorted rows; for `torch.compile`, one operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nlpreg.modules.sorted_rows import SortedRows, UnsortedRows
from nlpreg.nn.operators import define_operator, for_autocast

__all__ = ["cost_of_span", "run_direction", "run_direction_as_operator"]

# B rows, T steps, D and H feature sizes

# By torch.nn's own way to them.
_KERNELS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "LSTM": torch._VF.lstm,
    "GRU": torch._VF.gru,
    "RNN_TANH": torch._VF.rnn_tanh,
    "RNN_RELU": torch._VF.rnn_relu,
}


def run_direction(
    mode: str,
    inputs: Tensor,
    rows: SortedRows | UnsortedRows,
    state: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    is_backward: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run span by span over the rows that are still going.

    Args:
        mode: the kind of module, as in `nn.RNNBase.mode`.
        inputs: (B, T, D) sorted.
        rows: how they are sorted and cut into spans.
        state: initial states, (1, B, H) each, sorted.
        weights: of this layer and direction, in the order of `nn.RNNBase`.
        is_backward: whether to run from the last word of each row to its first.

    Returns:
        Outputs (B, T, H), and the states (1, B, H) after the last span in which a row took part.
    """
    kernel = _KERNELS[mode]
    weights = _in_one_chunk(weights)
    has_biases = len(weights) == 4
    num_rows, num_steps = inputs.size(0), inputs.size(1)
    if is_backward:
        inputs = rows.turn(inputs)
    outputs, ended = [], []
    for start, end, going in rows.spans:
        ended.append(tuple(part[:, going:] for part in state))
        state = tuple(part[:, :going] for part in state)
        initial = state if mode == "LSTM" else state[0]
        output, *final = kernel(
            inputs[:going, start:end], initial, weights, has_biases, 1, 0.0, torch.is_grad_enabled(), False, True
        )  # fmt: skip
        state = tuple(final)
        outputs.append(functional.pad(output, (0, 0, 0, 0, 0, num_rows - going)))
    ended.append(state)
    final_states = tuple(torch.cat(parts[::-1], dim=1) for parts in zip(*ended, strict=True))
    if not outputs:
        return inputs.new_zeros(num_rows, num_steps, weights[1].size(1)), final_states
    joined = torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]
    return rows.turn(joined) if is_backward else joined, final_states


def cost_of_span(weights: Sequence[Tensor]) -> float:
    """What a call of a kernel costs beyond its computations, in steps of one row.

    A call takes about as long as 6 million multiplications, and as 60 steps of a row to read its weights and to add up
    their gradients (as measured with oneDNN's LSTM, forward and backward).

    Args:
        weights: of one layer and direction, in the order of `nn.RNNBase`.
    """
    return 60 + 6e6 / (weights[0].numel() + weights[1].numel())


def run_direction_as_operator(
    mode: str,
    inputs: Tensor,
    lengths: Tensor,
    state: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    is_backward: bool,
    is_exact: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same over rows in any order, as an operator that `torch.compile` does not look into.

    Looking into it, the compiler would unroll every step of every length. The price is that the backward pass runs the
    forward one again.

    Args:
        mode: the kind of module, as in `nn.RNNBase.mode`.
        inputs: (B, T, D).
        lengths: (B,) number of words of each row.
        state: initial states, (1, B, H) each.
        weights: of this layer and direction, in the order of `nn.RNNBase`.
        is_backward: whether to run from the last word of each row to its first.
        is_exact: whether the final states are wanted.

    Returns:
        Outputs (B, T, H), zeros at padding, and the final states (1, B, H).
    """
    tensors = for_autocast(inputs, *state, *weights)
    state, weights = tuple(tensors[1 : 1 + len(state)]), tensors[1 + len(state) :]
    output, *final = _rnn_direction(mode, tensors[0], lengths, list(state), weights, is_backward, is_exact)
    return output, tuple(final)


def _run_unsorted(
    mode: str,
    inputs: Tensor,
    lengths: Tensor,
    state: list[Tensor],
    weights: list[Tensor],
    is_backward: bool,
    is_exact: bool,
) -> list[Tensor]:
    """Output and final states of one direction."""
    rows = SortedRows(lengths, inputs.size(1), 0.0 if is_exact else cost_of_span(weights))
    output, final = run_direction(
        mode, rows.sort(inputs), rows, rows.sort_states(state), weights, is_backward
    )
    return [rows.restore(output).contiguous(), *rows.restore_states(final)]


def _in_one_chunk(weights: Sequence[Tensor]) -> Sequence[Tensor]:
    """On a GPU, the weights side by side in memory: cuDNN would copy them so, and complain."""
    if not weights[0].is_cuda:
        return weights
    flat = torch.cat([weight.flatten() for weight in weights])
    parts = torch.split(flat, [weight.numel() for weight in weights])
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]


def _shapes(mode: str, inputs: Tensor, lengths: Tensor, state: list[Tensor], *_: Any) -> list[Tensor]:
    output = inputs.new_empty(inputs.size(0), inputs.size(1), state[0].size(2))
    return [output, *(torch.empty_like(part) for part in state)]


_rnn_direction = define_operator(
    "nlpreg::rnn_direction",
    "str mode, Tensor inputs, Tensor lengths, Tensor[] state, Tensor[] weights, bool is_backward, bool is_exact",
    _run_unsorted,
    _shapes,
)
