"""torch's LSTM, GRU and RNN over right-padded batches: the results of packing, but faster.

On the CPU the rows are sorted by length and the steps cut into a few spans. Each span runs torch's fused kernel over the
rows that are still active, so little is computed at padding. The backward direction is the forward one over rows that
were reversed within their lengths. On a GPU, every row runs over all steps, which needs no synchronization for the
lengths; only if final states are needed, rows are packed."""

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpreg.modules.augmented_lstm import AugmentedLstm
from nlpreg.modules.encoder_base import module_form
from nlpreg.modules.recurrence import PaddedRows, SortedRows, UnsortedRows, is_word, pad_end
from nlpreg.modules.stacked_alternating_lstm import StackedAlternatingLstm
from nlpreg.modules.stacked_bidirectional_lstm import StackedBidirectionalLstm
from nlpreg.nn.cpu_layers import dropout
from nlpreg.nn.operators import define_operator, for_autocast

# B rows, T steps, D and H feature sizes

# The functions that torch.nn calls for these modes.
_KERNELS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}


def run_direction(
    mode: str,
    inputs: Tensor,
    rows: SortedRows | UnsortedRows,
    state: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    is_backward: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run span by span over the rows that are still active.

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
        # The first word of a reversed row is its last word, and its padding stays at the end.
        inputs = rows.reverse(inputs)
    outputs, ended = [], []
    for start, end, num_active in rows.spans:
        if num_active < state[0].size(1):
            ended.append(tuple(part[:, num_active:] for part in state))
            state = tuple(part[:, :num_active] for part in state)
        initial = state if mode == "LSTM" else state[0]
        output, *final = kernel(
            inputs[:num_active, start:end], initial, weights, has_biases, 1, 0.0, torch.is_grad_enabled(), False, True
        )  # fmt: skip
        state = tuple(final)
        # The kernels write step after step, so this is how the output lies in memory.
        outputs.append(pad_end(output.transpose(0, 1), num_rows - num_active))
    if ended:
        parts_of_states = zip(state, *reversed(ended), strict=True)
        state = tuple(torch.cat(parts, dim=1) for parts in parts_of_states)
    if not outputs:
        return inputs.new_zeros(num_rows, num_steps, weights[1].size(1)), state
    joined = (torch.cat(outputs) if len(outputs) > 1 else outputs[0]).transpose(0, 1)
    return rows.reverse(joined) if is_backward else joined, state


def _cost_of_span(weights: Sequence[Tensor]) -> float:
    """The overhead of a kernel call, measured in steps of one row.

    A call takes as long as about 12 million multiplications, plus 300 steps of a row for reading the weights and accumulating
    their gradients (measured in training with oneDNN's LSTM on one thread, forward and backward).

    Args:
        weights: of one layer and direction, in the order of `nn.RNNBase`.
    """
    return 300 + 12e6 / (weights[0].numel() + weights[1].numel())


def run_direction_as_operator(
    mode: str,
    inputs: Tensor,
    lengths: Tensor,
    state: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    is_backward: bool,
    is_exact: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """`run_direction` over rows in any order, as an operator that is opaque to `torch.compile`.

    Otherwise the compiler would unroll every step for every length. The cost is that the backward pass repeats the
    forward pass.

    Args:
        mode: the kind of module, as in `nn.RNNBase.mode`.
        inputs: (B, T, D).
        lengths: (B,) number of words of each row.
        state: initial states, (1, B, H) each.
        weights: of this layer and direction, in the order of `nn.RNNBase`.
        is_backward: whether to run from the last word of each row to its first.
        is_exact: whether the final states are needed.

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
    rows = SortedRows(lengths, inputs.size(1), 0.0 if is_exact else _cost_of_span(weights))
    output, final = run_direction(
        mode, rows.sort(inputs), rows, rows.sort_states(state), weights, is_backward
    )
    return [rows.restore(output).contiguous(), *rows.restore_states(final)]


def _in_one_chunk(weights: Sequence[Tensor]) -> Sequence[Tensor]:
    """On a GPU, the weights in one contiguous chunk of memory; otherwise cuDNN copies them and warns."""
    if not weights[0].is_cuda:
        return weights
    # one piece of memory
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


# B rows, T steps, D and H feature sizes, L layers times directions

States = tuple[Tensor, ...]

OwnLstm = AugmentedLstm | StackedAlternatingLstm | StackedBidirectionalLstm
# a tuple, because torch.compile of torch 2.6 does not support unions
_OWN_LSTMS = (AugmentedLstm, StackedAlternatingLstm, StackedBidirectionalLstm)


def can_run_padded(module: nn.Module) -> TypeGuard[nn.RNNBase | OwnLstm]:
    """Whether `run_padded` takes this module: one of torch's own, batch first, without projection and hooks; or one of
    ours, while it is compiled."""
    if module._forward_hooks or module._forward_pre_hooks:
        return False
    if isinstance(module, _OWN_LSTMS):
        return torch.compiler.is_compiling()
    return type(module) in (nn.LSTM, nn.GRU, nn.RNN) and bool(module.batch_first) and not module.proj_size


def run_padded(
    module: nn.RNNBase | OwnLstm,
    inputs: Tensor,
    lengths: Tensor,
    state: States | None = None,
    needs_final_state: bool = False,
    all_layers: bool = False,
) -> tuple[list[Tensor], States | None]:
    """Run a recurrent module over a right-padded batch.

    Args:
        module: see `can_run_padded`.
        inputs: (B, T, D); values at padding have no influence, not even NaN.
        lengths: (B,) number of words of each row, from 0 to T.
        state: initial states, (L, B, H) each; None for zeros.
        needs_final_state: whether to return the states after the last word of each row.
        all_layers: whether to return the outputs of all layers, before the dropout between them.

    Returns:
        Outputs (B, T, H, or 2 H for both directions) of each layer, or of the last one alone, zeros at padding; and the
        final states (L, B, H) if requested, else None. The final state of a row of length 0 is its initial one.
    """
    if isinstance(module, _OWN_LSTMS):
        initial = None if state is None else (state[0], state[1])
        layers, own_final = module.run_layers(PaddedRows(inputs, lengths), initial)
        return [layer.data for layer in (layers if all_layers else layers[-1:])], own_final
    # With ReLU the state is unbounded and could overflow while running over padding.
    is_exact = needs_final_state or module.mode == "RNN_RELU"
    final: States | None
    if torch.compiler.is_compiling():
        outputs, final = _run_layers(module, inputs, lengths, state, is_exact)
    elif inputs.device.type != "cpu" and is_exact and not all_layers:
        output, final = _run_packed(module, inputs, lengths, state)
        outputs = [output]
    elif inputs.device.type != "cpu" and not (module.bidirectional or all_layers):
        outputs, final = [_run_whole(module, inputs, lengths, state)], None
    else:
        rows = rows_of(inputs, lengths, module.all_weights[-1], is_exact)
        sorted_state = None if state is None else rows.sort_states(state)
        outputs, final = _run_layers(module, rows.sort(inputs), rows, sorted_state, is_exact)
        outputs = [rows.restore(output) for output in (outputs if all_layers else outputs[-1:])]
        final = rows.restore_states(final)
    return outputs if all_layers else outputs[-1:], final if needs_final_state else None


def rows_of(
    inputs: Tensor, lengths: Tensor, weights: Sequence[Tensor], is_exact: bool
) -> SortedRows | UnsortedRows:
    """Sort the rows of a batch and cut their steps into spans, unless that would synchronize with a device.

    Args:
        inputs: (B, T, D).
        lengths: (B,) number of words of each row.
        weights: of the last layer, in the order of `nn.RNNBase`; they determine the cost of a span.
        is_exact: whether the states after the last word of each row are needed, which requires the lengths.
    """
    if inputs.device.type != "cpu" and not is_exact:
        return UnsortedRows(lengths, inputs.size(1))
    return SortedRows(lengths, inputs.size(1), 0.0 if is_exact else _cost_of_span(weights))


def _run_layers(
    module: nn.RNNBase,
    inputs: Tensor,
    rows: SortedRows | UnsortedRows | Tensor,
    state: States | None,
    is_exact: bool,
) -> tuple[list[Tensor], States]:
    """The outputs of each layer and all final states, over sorted rows or, given only lengths, rows in any order."""
    directions = (False, True) if module.bidirectional else (False,)
    all_weights = module.all_weights  # of each layer and direction
    finals: list[States] = []
    layers: list[Tensor] = []
    for layer in range(module.num_layers):
        outputs = []
        for is_backward in directions:
            weights = all_weights[len(finals)]
            initial = _initial_state(module, inputs, state, len(finals))
            if not isinstance(rows, Tensor):
                output, final = run_direction(module.mode, inputs, rows, initial, weights, is_backward)
            else:
                output, final = run_direction_as_operator(
                    module.mode, inputs, rows, initial, weights, is_backward, is_exact
                )
            outputs.append(output)
            finals.append(final)
        inputs = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        layers.append(inputs)
        if module.dropout and module.training and layer + 1 < module.num_layers:
            inputs = dropout(inputs, module.dropout)
    if len(finals) == 1:
        return layers, finals[0]
    return layers, tuple(torch.cat(parts) for parts in zip(*finals, strict=True))


def _initial_state(module: nn.RNNBase, inputs: Tensor, state: States | None, index: int) -> States:
    """(1, B, H) each, for one layer and direction."""
    if state is not None:
        return tuple(part[index : index + 1] for part in state)
    # (1, B, H)
    zeros = inputs.new_zeros(1, inputs.size(0), module.hidden_size)
    return (zeros, zeros) if module.mode == "LSTM" else (zeros,)


def _run_whole(module: nn.RNNBase, inputs: Tensor, lengths: Tensor, state: States | None) -> Tensor:
    """One direction over the padded batch: a word is not affected by what follows it."""
    at_word = is_word(lengths, inputs.size(1))
    output: Tensor = module(inputs.masked_fill(~at_word, 0), module_form(state))[0]
    return output.masked_fill(~at_word, 0)


def _run_packed(
    module: nn.RNNBase, inputs: Tensor, lengths: Tensor, state: States | None
) -> tuple[Tensor, States]:
    """One direction over packed rows; synchronizes with the device, because the lengths are needed on the CPU."""
    packed = pack_padded_sequence(inputs, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    output, final = module(packed, module_form(state))
    padded, _ = pad_packed_sequence(output, batch_first=True, total_length=inputs.size(1))
    # Packing does not support empty rows, so these ran over one step of padding.
    is_empty = (lengths == 0).view(-1, 1, 1)
    finals: States = (final,) if isinstance(final, Tensor) else final
    before = state or tuple(torch.zeros_like(part) for part in finals)
    is_kept = is_empty.view(1, -1, 1)
    kept = tuple(torch.where(is_kept, old, new) for old, new in zip(before, finals, strict=True))
    return padded.masked_fill(is_empty, 0), kept
