"""An LSTM whose state is projected and clipped, as ELMo's is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from nlpreg.modules.recurrence import LstmState, run_recurrence
from nlpreg.nn.initializers import block_orthogonal
from nlpreg.nn.util import get_dropout_mask

__all__ = ["LstmCellWithProjection"]


class LstmCellWithProjection(nn.Module):
    """One layer of an LSTM in one direction, whose hidden state is a projection of its memory cell's output.

    With gates i, f, o and candidate g from `W x + U h`: c' = clip(i g + f c) and h' = clip(P (o tanh(c'))).

    Args:
        input_size: width of each input vector.
        hidden_size: width of the hidden state.
        cell_size: width of the memory cell.
        go_forward: whether it runs from left to right; false for right to left, from the last word of each row.
        recurrent_dropout_probability: chance, from 0 to 1, that a value of the hidden state is zeroed at every step.
        memory_cell_clip_value: largest absolute value of the memory cell; None for no limit.
        state_projection_clip_value: largest absolute value of the hidden state; None for no limit.

    Shape:
        inputs (B, T, input_size), longest row first; initial_state None or (1, B, hidden_size) and (1, B, cell_size)
        -> outputs (B, T, hidden_size), zeros at padding, and the states after the last word that each row came to.

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
        block_orthogonal(self.input_linearity.weight.data, [self.cell_size, self.input_size])
        block_orthogonal(self.state_linearity.weight.data, [self.cell_size, self.hidden_size])
        self.state_linearity.bias.data.zero_()
        self.state_linearity.bias.data[self.cell_size : 2 * self.cell_size] = 1.0

    def forward(
        self, inputs: Tensor, batch_lengths: list[int], initial_state: LstmState | None = None
    ) -> tuple[Tensor, LstmState]:
        """Run over a padded batch from the given states, or from zeros."""
        packed = pack_padded_sequence(inputs, torch.tensor(batch_lengths), batch_first=True)
        output, final = self.run_packed(packed, initial_state)
        outputs, _ = pad_packed_sequence(output, batch_first=True, total_length=inputs.size(1))
        return outputs, final

    def run_packed(
        self, inputs: PackedSequence, initial_state: LstmState | None = None
    ) -> tuple[PackedSequence, LstmState]:
        """Run over packed rows, longest first, from the given states, or from zeros."""
        batch_sizes = inputs.batch_sizes.tolist()
        data = inputs.data
        if initial_state is None:
            initial = (
                data.new_zeros(batch_sizes[0], self.hidden_size),
                data.new_zeros(batch_sizes[0], self.cell_size),
            )
        else:
            initial = (initial_state[0].squeeze(0), initial_state[1].squeeze(0))
        dropout_mask = None
        if self.training and self.recurrent_dropout_probability > 0.0:
            dropout_mask = get_dropout_mask(self.recurrent_dropout_probability, initial[0])  # (B, hidden)

        def step(projected_input: Tensor, state: LstmState) -> LstmState:
            h, c = self._step(projected_input, state)
            return h if dropout_mask is None else h * dropout_mask[: h.size(0)], c

        projected = self.input_linearity(data).split(batch_sizes)
        outputs, (h, c) = run_recurrence(step, projected, initial, self.go_forward)
        return inputs._replace(data=torch.cat(outputs)), (h.unsqueeze(0), c.unsqueeze(0))

    def _step(self, projected_input: Tensor, state: LstmState) -> LstmState:
        """Take one step, without dropout."""
        h, c = state
        gates = projected_input + self.state_linearity(h)
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
        c = input_gate.sigmoid() * candidate.tanh() + forget_gate.sigmoid() * c
        if self.memory_cell_clip_value is not None:
            c = c.clamp(-self.memory_cell_clip_value, self.memory_cell_clip_value)
        h = self.state_projection(output_gate.sigmoid() * c.tanh())
        if self.state_projection_clip_value is not None:
            h = h.clamp(-self.state_projection_clip_value, self.state_projection_clip_value)
        return h, c
