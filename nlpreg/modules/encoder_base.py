"""The base class of sequence encoders: running a recurrent module over padded rows, and carrying its state between batches."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from nlpreg.nn.operators import is_exporting

# L layers (times directions), B rows, T steps, D and H feature sizes

RnnState = Tensor | tuple[Tensor, Tensor]
"""What recurrent modules take and return: (L, B, H), or two of these for LSTMs."""

RnnStateStorage = tuple[Tensor, ...]
"""The state kept between batches, which is always a tuple."""


class EncoderBase(nn.Module):
    """A module over padded batches that may carry its recurrent state from one batch to the next.

    Args:
        stateful: whether the state after a batch is the initial state of the next one. Row b of a batch continues row b
            of the one before. A batch of fewer rows leaves the states of the others as they were, one of more rows
            starts the additional ones from zero, and a row that is all padding keeps its state.
    """

    # Set by the constructors of subclasses, unless these override the methods.
    _input_dim: int | None = None
    _output_dim: int | None = None

    def __init__(self, stateful: bool = False) -> None:
        super().__init__()
        self.stateful = stateful
        self._states: RnnStateStorage | None = None

    def get_input_dim(self) -> int:
        """Width of each input vector."""
        if self._input_dim is None:
            raise NotImplementedError(f"{type(self).__name__} has no get_input_dim")
        return self._input_dim

    def get_output_dim(self) -> int:
        """Width of each output vector, both directions together."""
        if self._output_dim is None:
            raise NotImplementedError(f"{type(self).__name__} has no get_output_dim")
        return self._output_dim

    def sort_and_run_forward(
        self,
        module: Callable[[PackedSequence, Any], tuple[Any, RnnState]],
        inputs: Tensor,
        mask: Tensor,
        hidden_state: RnnState | RnnStateStorage | None = None,
    ) -> tuple[Any, RnnState, Tensor]:
        """Run a module that takes packed sequences over the rows that are not all padding, longest first.

        Args:
            module: called with the packed rows and their initial state.
            inputs: (B, T, D).
            mask: (B, T) bool, true for words, which come first in each row.
            hidden_state: initial state, (L, B, H) or two of these; not used when stateful.

        Returns:
            What the module returns (its rows and states are sorted, without the rows that are all padding), and
            restoration indices (B,) that undo the sorting once zero rows are appended for those left out.

        Raises:
            ValueError: every row is all padding.
        """
        # (B,); packing wants them there
        lengths = mask.bool().sum(-1).cpu()
        sorted_lengths, order = lengths.sort(descending=True, stable=True)
        num_valid = int((lengths > 0).sum())
        if num_valid == 0:
            raise ValueError("sort_and_run_forward: expected at least one row with a word, got only padding")
        order = order.to(inputs.device)
        packed = pack_padded_sequence(
            inputs.index_select(0, order[:num_valid]), sorted_lengths[:num_valid], batch_first=True
        )
        states = self._initial_states(mask.size(0)) if self.stateful else stored_form(hidden_state)
        if states is not None:
            states = tuple(state.index_select(1, order[:num_valid]) for state in states)
        output, final = module(packed, module_form(states))
        return output, final, order.argsort()

    def reset_states(self, mask: Tensor | None = None) -> None:
        """Clear the state of all rows, or set the state of some rows to zero.

        Args:
            mask: (B,) bool, true for the rows to reset; None for all.

        Raises:
            ValueError: `mask` has another number of rows than the state.
        """
        if mask is None or self._states is None:
            self._states = None
            return
        num_rows = self._states[0].size(1)
        if mask.numel() != num_rows:
            raise ValueError(f"reset_states: expected a mask of {num_rows} rows, got {mask.numel()}")
        # repeated for all layers
        done = mask.bool().view(1, num_rows, 1)
        self._states = tuple(state.masked_fill(done, 0) for state in self._states)

    def _initial_states(self, batch_size: int) -> RnnStateStorage | None:
        """The states of the first `batch_size` rows; None before the first batch, and in exported programs."""
        if self._states is None or is_exporting():
            return None
        missing = batch_size - self._states[0].size(1)
        if missing > 0:
            self._states = tuple(
                torch.cat([state, state.new_zeros(state.size(0), missing, state.size(2))], dim=1)
                for state in self._states
            )
        return tuple(state[:, :batch_size] for state in self._states)

    def _store_states(self, final_states: RnnStateStorage, is_used: Tensor) -> None:
        """Store the states after a batch, detached from its graph.

        Args:
            final_states: one (L, B, H) for each part of the state, in the order of the batch.
            is_used: (B,) bool, false for rows that were all padding: these keep the state they had.
        """
        if is_exporting():  # each call of a program stands alone
            return
        before = self._initial_states(is_used.numel())
        used = is_used.view(1, -1, 1)
        states = []
        for i, final in enumerate(final_states):
            old = torch.zeros_like(final) if before is None else before[i]
            new = torch.where(used, final.detach(), old)
            if self._states is not None:
                # Rows beyond this batch keep their states for a later, larger batch.
                new = torch.cat([new, self._states[i][:, is_used.numel() :]], dim=1)
            states.append(new)
        self._states = tuple(states)

    def _update_states(self, final_states: RnnState, restoration_indices: Tensor) -> None:
        """Keep the states that `sort_and_run_forward` returned. For subclasses that call it themselves.

        Args:
            final_states: (L, rows that are not all padding, H), or two of these, sorted. Zero states may have been appended
                for the rows that are all padding: a row whose states in the first layer are zeros keeps what it had.
            restoration_indices: (B,) as returned.
        """
        states = stored_form(final_states)
        assert states is not None
        is_used = restoration_indices < states[0].size(1)
        restored = restore_rows(states, restoration_indices)
        self._store_states(restored, is_used & restored[0][0].ne(0).any(dim=-1))


_EncoderBase = EncoderBase  # AllenNLP's name


def restore_rows(states: RnnStateStorage, restoration_indices: Tensor) -> RnnStateStorage:
    """Append zero states for the rows that were left out, and undo the sorting."""
    missing = restoration_indices.numel() - states[0].size(1)
    return tuple(
        torch.cat([state, state.new_zeros(state.size(0), missing, state.size(2))], dim=1).index_select(
            1, restoration_indices
        )
        for state in states
    )


def stored_form(states: RnnState | RnnStateStorage | None) -> RnnStateStorage | None:
    """States as a tuple, whether a module has one or two of them; None for none."""
    return (states,) if isinstance(states, Tensor) else states


def module_form(states: RnnStateStorage | None) -> RnnState | None:
    """States as a module takes them: a single tensor, or a tuple of two; None for none."""
    if states is None:
        return None
    return states[0] if len(states) == 1 else (states[0], states[1])
