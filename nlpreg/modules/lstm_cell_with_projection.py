"""An LSTM whose state is projected and clipped, as ELMo's is."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpreg.modules import recurrence


def _step_with_dropout(
    weight: Tensor,
    bias: Tensor,
    projection: Tensor,
    memory_clip: float | None,
    state_clip: float | None,
    dropout_mask: Tensor | None,
) -> recurrence.Step:
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


class LstmCellWithProjection(recurrence.RecurrentLayer):
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

    make_step = staticmethod(_step_with_dropout)
    operator = staticmethod(
        recurrence.define_recurrence(
            "nlpreg::lstm_with_projection",
            "Tensor weight, Tensor bias, Tensor projection, float? memory_clip, float? state_clip",
            _step_with_dropout,
        )
    )

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
        self.state_sizes = (hidden_size, cell_size)
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
        output, final = self.run_rows(packed, initial_state)
        outputs, _ = pad_packed_sequence(output, batch_first=True, total_length=inputs.size(1))
        return outputs, final

    def project(self, inputs: Tensor) -> Tensor:
        """See `RecurrentLayer.project`."""
        projected: Tensor = self.input_linearity(inputs)  # (..., 4C)
        return projected

    def step_parameters(self) -> tuple[list[Tensor], list[Any]]:
        """See `RecurrentLayer.step_parameters`: those of the gates and of the projection, and the two limits."""
        weights = [self.state_linearity.weight, self.state_linearity.bias, self.state_projection.weight]
        return weights, [self.memory_cell_clip_value, self.state_projection_clip_value]
