"""An LSTM whose state is projected and clipped, as ELMo's is."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpreg.modules import recurrence
from nlpreg.nn.operators import define_operator, for_autocast
from nlpreg.nn.util import get_dropout_mask


def _step_with_dropout(
    weight: Tensor,
    bias: Tensor,
    projection: Tensor,
    memory_clip: float | None,
    state_clip: float | None,
    dropout_mask: Tensor | None,
) -> Callable[[Tensor, recurrence.LstmState], recurrence.LstmState]:
    """One step of the cell, with one dropout mask (B, H) for all steps."""

    def step(projected_input: Tensor, state: recurrence.LstmState) -> recurrence.LstmState:
        h, c = state
        # (n, 4C)
        gates = projected_input + functional.linear(h, weight, bias)
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
        c = input_gate.sigmoid() * candidate.tanh() + forget_gate.sigmoid() * c
        if memory_clip is not None:
            c = c.clamp(-memory_clip, memory_clip)
        # (n, H)
        h = functional.linear(output_gate.sigmoid() * c.tanh(), projection)
        if state_clip is not None:
            h = h.clamp(-state_clip, state_clip)
        return h if dropout_mask is None else h * dropout_mask[: h.size(0)], c

    return step


def _run_padded(
    projected: Tensor,
    lengths: Tensor,
    hidden: Tensor,
    memory: Tensor,
    weight: Tensor,
    bias: Tensor,
    projection: Tensor,
    memory_clip: float | None,
    state_clip: float | None,
    dropout_mask: Tensor | None,
    go_forward: bool,
) -> list[Tensor]:
    make_step = partial(_step_with_dropout, weight, bias, projection, memory_clip, state_clip)
    return recurrence.run_padded_recurrence(
        make_step, projected, lengths, (hidden, memory), dropout_mask, go_forward
    )


_run_padded_as_operator = define_operator(
    "nlpreg::lstm_with_projection",
    "Tensor projected, Tensor lengths, Tensor hidden, Tensor memory, Tensor weight, Tensor bias, Tensor projection, "
    "float? memory_clip, float? state_clip, Tensor? dropout_mask, bool go_forward",
    _run_padded,
    recurrence.shapes_of_recurrence,
)


class LstmCellWithProjection(nn.Module):
    """One layer of an LSTM in one direction, whose hidden state is a projection of its memory cell's output.

    With gates i, f, o and candidate g from `W x + U h`: c' = clip(i g + f c) and h' = clip(P (o tanh(c'))).

    Args:
        input_size: width of each input vector.
        hidden_size: width of the hidden state.
        cell_size: width of the memory cell.
        go_forward: whether it runs from left to right; false for right to left, from the last word of each row.
        recurrent_dropout_probability: dropout probability of the hidden state, from 0 to 1; a row keeps its mask.
        memory_cell_clip_value: largest absolute value of the memory cell; None for no limit.
        state_projection_clip_value: largest absolute value of the hidden state; None for no limit.

    Shape:
        inputs (B, T, input_size), longest row first; initial_state None or (1, B, hidden_size) and (1, B, cell_size)
        -> outputs (B, T, hidden_size), zeros at padding, and the states after the last word of each row.

    Source: Sak et al. (2014), https://arxiv.org/abs/1402.1128
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        cell_size: int,
        go_forward: bool = True,
        recurrent_dropout_probability: float = 0.0,
        memory_cell_clip_value: float | None = None,
        state_projection_clip_value: float | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.cell_size = cell_size
        self.go_forward = go_forward
        self.recurrent_dropout_probability = recurrent_dropout_probability
        self.memory_cell_clip_value = memory_cell_clip_value
        self.state_projection_clip_value = state_projection_clip_value
        self.input_linearity = nn.Linear(input_size, 4 * cell_size, bias=False)
        self.state_linearity = nn.Linear(hidden_size, 4 * cell_size, bias=True)
        self.state_projection = nn.Linear(cell_size, hidden_size, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Make each gate's weights orthogonal, and all biases zero but that of the forget gate, which is one."""
        recurrence.reset_gates(self.input_linearity, self.state_linearity, self.cell_size)

    def forward(
        self, inputs: Tensor, batch_lengths: list[int], initial_state: recurrence.LstmState | None = None
    ) -> tuple[Tensor, recurrence.LstmState]:
        """Run over a padded batch from the given states, or from zeros."""
        packed = pack_padded_sequence(inputs, torch.tensor(batch_lengths), batch_first=True)
        output, final = self.run_packed(packed, initial_state)
        outputs, _ = pad_packed_sequence(output, batch_first=True, total_length=inputs.size(1))
        return outputs, final

    def run_packed(
        self, inputs: recurrence.Rows, initial_state: recurrence.LstmState | None = None
    ) -> tuple[recurrence.Rows, recurrence.LstmState]:
        """Run over packed rows, longest first, from the given states, or from zeros."""
        if isinstance(inputs, recurrence.PaddedRows):
            return self._run_padded(inputs, initial_state)
        batch_sizes = inputs.batch_sizes.tolist()
        initial = self._initial(inputs.data, batch_sizes[0], initial_state)
        # (n, 4C) for each step
        projected = self.input_linearity(inputs.data).split(batch_sizes)
        step = _step_with_dropout(*self._weights(), *self._clips(), self._dropout_mask(initial[0]))
        outputs, (h, c) = recurrence.run_recurrence(step, projected, initial, self.go_forward)
        return recurrence.with_data(inputs, torch.cat(outputs)), (h.unsqueeze(0), c.unsqueeze(0))

    def _run_padded(
        self, inputs: recurrence.PaddedRows, initial_state: recurrence.LstmState | None
    ) -> tuple[recurrence.PaddedRows, recurrence.LstmState]:
        """As `run_packed`, over padded rows, for compiled models."""
        h, c = self._initial(inputs.data, inputs.data.size(0), initial_state)
        mask = self._dropout_mask(h)
        projected, h, c, *weights = for_autocast(self.input_linearity(inputs.data), h, c, *self._weights())
        output, h, c = _run_padded_as_operator(
            projected, inputs.lengths, h, c, *weights, *self._clips(), mask, self.go_forward
        )
        return recurrence.PaddedRows(output, inputs.lengths), (h.unsqueeze(0), c.unsqueeze(0))

    def _weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """The parameters of a step: weight and bias of the gates, weight of the projection."""
        return self.state_linearity.weight, self.state_linearity.bias, self.state_projection.weight

    def _clips(self) -> tuple[float | None, float | None]:
        return self.memory_cell_clip_value, self.state_projection_clip_value

    def _initial(
        self, data: Tensor, num_rows: int, state: recurrence.LstmState | None
    ) -> recurrence.LstmState:
        """(num_rows, hidden_size) and (num_rows, cell_size)."""
        if state is not None:
            return state[0].squeeze(0), state[1].squeeze(0)
        return data.new_zeros(num_rows, self.hidden_size), data.new_zeros(num_rows, self.cell_size)

    def _dropout_mask(self, hidden: Tensor) -> Tensor | None:
        """(B, hidden_size); None without dropout."""
        if not (self.training and self.recurrent_dropout_probability > 0.0):
            return None
        return get_dropout_mask(self.recurrent_dropout_probability, hidden)
