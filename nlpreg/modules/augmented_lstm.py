"""An LSTM with dropout of its state and a highway gate, in one direction or both."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import recurrence

# B rows, N words of all rows, L layers, D and H feature sizes


class AugmentedLSTMCell(nn.Module):
    """One step of an LSTM with an optional highway gate.

    With gates i, f, o, r and candidate g from `W x + U h`: c' = i g + f c, and h' = o tanh(c'), of which the highway
    makes r h' + (1 - r) W6 x.

    Args:
        embed_dim: width of the input.
        lstm_dim: width of the state.
        use_highway: whether a highway gate mixes the input into the output.
        use_bias: whether the projection of the input has a bias. That of the state always has one.

    Shape:
        x (n, embed_dim), states (h, c) each (n, lstm_dim) -> the next (h, c).

    Source: Zhang et al. (2016), https://arxiv.org/abs/1510.08983; He et al. (2017), https://aclanthology.org/P17-1044
    """

    def __init__(
        self, embed_dim: int, lstm_dim: int, use_highway: bool = True, use_bias: bool = True
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.lstm_dim = lstm_dim
        self.use_highway = use_highway
        self.use_bias = use_bias
        # The highway needs one more block of the state, for its gate, and two more of the input: the gate and the carried input.
        self._num_input_blocks, self._num_state_blocks = (6, 5) if use_highway else (4, 4)
        self.input_linearity = nn.Linear(embed_dim, self._num_input_blocks * lstm_dim, bias=use_bias)
        self.state_linearity = nn.Linear(lstm_dim, self._num_state_blocks * lstm_dim, bias=True)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Make each gate's weights orthogonal, and all biases zero but that of the forget gate, which is one."""
        recurrence.reset_gates(self.input_linearity, self.state_linearity, self.lstm_dim)

    def forward(
        self, x: Tensor, states: recurrence.LstmState, variational_dropout_mask: Tensor | None = None
    ) -> recurrence.LstmState:
        """Take one step.

        Args:
            x: (n, embed_dim).
            states: (h, c) before the step, (n, lstm_dim) each.
            variational_dropout_mask: (n, lstm_dim), multiplies the incoming h while training.
        """
        if variational_dropout_mask is not None and self.training:
            states = (states[0] * variational_dropout_mask, states[1])
        return self.step(self.input_linearity(x), states)

    def step(self, projected_input: Tensor, states: recurrence.LstmState) -> recurrence.LstmState:
        """Take one step from an input that is already projected.

        Args:
            projected_input: (n, 6 or 4 times lstm_dim).
            states: (h, c) before the step, (n, lstm_dim) each, after dropout.
        """
        return _step(projected_input, states, self.state_linearity.weight, self.state_linearity.bias)


def _step(
    projected_input: Tensor, states: recurrence.LstmState, weight: Tensor, bias: Tensor
) -> recurrence.LstmState:
    """See `AugmentedLSTMCell.step`; the weight and bias are those of the projection of h."""
    h, c = states
    size = h.size(1)
    has_highway = weight.size(0) > 4 * size
    gates = projected_input[:, : 5 * size] if has_highway else projected_input
    # (n, 5H or 4H)
    gates = gates + functional.linear(h, weight, bias)
    input_gate, forget_gate, candidate, output_gate, *highway = torch.split(gates, size, dim=1)
    c = input_gate.sigmoid() * candidate.tanh() + forget_gate.sigmoid() * c
    h = output_gate.sigmoid() * c.tanh()
    if highway:
        # r h + (1 - r) w; under autocast the state has a higher precision than the products
        h = torch.lerp(projected_input[:, 5 * size :].to(h.dtype), h, highway[0].sigmoid().to(h.dtype))
    return h, c


def _step_with_dropout(weight: Tensor, bias: Tensor, dropout_mask: Tensor | None) -> recurrence.Step:
    """One step of the cell, with one dropout mask (B, H) for all steps."""

    def step(projected_input: Tensor, states: recurrence.LstmState) -> recurrence.LstmState:
        h, c = states
        if dropout_mask is not None:
            # the longest n rows come first
            h = h * dropout_mask[: h.size(0)]
        return _step(projected_input, (h, c), weight, bias)

    return step


class AugmentedLstm(recurrence.RecurrentLayer):
    """One layer of `AugmentedLSTMCell` in one direction over packed sequences.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state.
        go_forward: whether it runs from left to right; false for right to left, from the last word of each row.
        recurrent_dropout_probability: dropout probability of the state, from 0 to 1; a row keeps its mask at all steps.
        use_highway: whether a highway gate mixes the input into the output.
        use_input_projection_bias: whether the projection of the inputs has a bias.

    Shape:
        packed rows of width input_size, states None or two of (1, B, hidden_size)
        -> packed rows of width hidden_size, and the states after the last word of each row.

    Raises:
        ConfigurationError: in `forward`, when the inputs are not packed.
    """

    make_step = staticmethod(_step_with_dropout)
    operator = staticmethod(
        recurrence.define_recurrence(
            "nlpreg::augmented_lstm", "Tensor weight, Tensor bias", _step_with_dropout
        )
    )

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        go_forward: bool = True,
        recurrent_dropout_probability: float = 0.0,
        use_highway: bool = True,
        use_input_projection_bias: bool = True,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.state_sizes = (hidden_size, hidden_size)
        self.go_forward = go_forward
        self.recurrent_dropout_probability = recurrent_dropout_probability
        self.use_highway = use_highway
        self.use_input_projection_bias = use_input_projection_bias
        self.cell = AugmentedLSTMCell(input_size, hidden_size, use_highway, use_input_projection_bias)

    def reset_parameters(self) -> None:
        """Initialise the weights again."""
        self.cell.reset_parameters()

    def forward(
        self, inputs: recurrence.Rows, states: recurrence.LstmState | None = None
    ) -> tuple[recurrence.Rows, recurrence.LstmState]:
        """Run over packed rows from the given states, or from zeros."""
        if not isinstance(inputs, (PackedSequence, recurrence.PaddedRows)):
            raise ConfigurationError(f"AugmentedLstm: expected a PackedSequence, got {type(inputs).__name__}")
        return self.run_rows(inputs, states)

    def project(self, inputs: Tensor) -> Tensor:
        """See `RecurrentLayer.project`."""
        projected: Tensor = self.cell.input_linearity(inputs)
        return projected

    def step_parameters(self) -> tuple[list[Tensor], list[Any]]:
        """See `RecurrentLayer.step_parameters`."""
        return [self.cell.state_linearity.weight, self.cell.state_linearity.bias], []

    def run_layers(
        self, inputs: recurrence.Rows, states: recurrence.LstmState | None = None
    ) -> tuple[list[recurrence.Rows], recurrence.LstmState]:
        """As `forward`, but return a list with the rows of the only layer."""
        rows, final = self(inputs, states)
        return [rows], final


def run_stack(
    layers: Sequence[Sequence[AugmentedLstm]],
    inputs: recurrence.Rows,
    initial: recurrence.LstmState | None,
    dropout: Callable[[recurrence.Rows], recurrence.Rows] | None = None,
) -> tuple[list[recurrence.Rows], recurrence.LstmState]:
    """Run a stack of layers, each over the joined outputs of both directions of the layer before.

    Args:
        layers: the LSTM of each layer, or its forward and its backward one.
        inputs: the rows.
        initial: initial states, two of (layers * directions, B, H), of each layer first forward, then backward; None for
            zeros.
        dropout: applied to the rows between two layers.

    Returns:
        The rows of each layer, before dropout, and the final states, in the form of the initial ones.
    """
    outputs: list[recurrence.Rows] = []
    finals: list[recurrence.LstmState] = []
    for directions in layers:
        if outputs and dropout is not None:
            inputs = dropout(inputs)
        joined = []
        for layer in directions:
            own = slice(len(finals), len(finals) + 1)
            rows, final = layer(inputs, None if initial is None else (initial[0][own], initial[1][own]))
            joined.append(rows.data)
            finals.append(final)
        # (N, H or 2H), or (B, T, H or 2H)
        inputs = recurrence.with_data(inputs, torch.cat(joined, dim=-1) if len(joined) > 1 else joined[0])
        outputs.append(inputs)
    return outputs, (torch.cat([h for h, _ in finals]), torch.cat([c for _, c in finals]))


def by_direction(states: recurrence.LstmState, size: int) -> recurrence.LstmState:
    """States of joined directions (layers, B, directions * size) as (layers * directions, B, size) each."""
    h, c = (state.view(*state.shape[:2], -1, size).transpose(1, 2).flatten(0, 1) for state in states)
    return h, c


class BiAugmentedLstm(nn.Module):
    """Layers of `AugmentedLstm`, in one direction or both, over packed sequences.

    The outputs of both directions are joined between layers.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each direction.
        num_layers: number of layers.
        bias: whether the projections of the inputs have biases.
        recurrent_dropout_probability: dropout probability of the state, from 0 to 1; a row keeps its mask at all steps.
        bidirectional: whether there is a backward direction too.
        padding_value: accepted for old configs; it has no effect, because rows stay packed between layers.
        use_highway: whether a highway gate mixes the input of a layer into its output.

    Shape:
        packed rows of width input_size, states None or two of (num_layers, B, directions * hidden_size)
        -> packed rows of width directions * hidden_size, and final states, two of
        (num_layers * directions, B, hidden_size), of each layer first forward, then backward.

    Raises:
        ConfigurationError: in `forward`, when the inputs are not packed.
        RuntimeError: in `forward`, when the numbers of initial states and layers differ.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        recurrent_dropout_probability: float = 0.0,
        bidirectional: bool = False,
        padding_value: float = 0.0,
        use_highway: bool = True,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.padding_value = padding_value
        self.bidirectional = bidirectional
        self.recurrent_dropout_probability = recurrent_dropout_probability
        self.use_highway = use_highway
        self.use_bias = bias
        num_directions = 2 if bidirectional else 1
        self.representation_dim = num_directions * hidden_size

        def stack(go_forward: bool) -> nn.ModuleList:
            widths = [input_size] + [self.representation_dim] * (num_layers - 1)
            return nn.ModuleList(
                AugmentedLstm(
                    width, hidden_size, go_forward, recurrent_dropout_probability, use_highway, bias
                )
                for width in widths
            )

        self.forward_layers = stack(go_forward=True)
        if bidirectional:
            self.backward_layers = stack(go_forward=False)

    def forward(
        self, inputs: PackedSequence, states: recurrence.LstmState | None = None
    ) -> tuple[PackedSequence, recurrence.LstmState]:
        """Run over packed rows from the given states, or from zeros."""
        if not isinstance(inputs, PackedSequence):
            raise ConfigurationError(
                f"BiAugmentedLstm: expected a PackedSequence, got {type(inputs).__name__}"
            )
        if states is not None and states[0].size(0) != self.num_layers:
            raise RuntimeError(
                f"BiAugmentedLstm: expected initial states of {self.num_layers} layers, got {states[0].size(0)}"
            )
        stacks = [self.forward_layers, self.backward_layers] if self.bidirectional else [self.forward_layers]
        initial = None if states is None else by_direction(states, self.hidden_size)
        layers, final = run_stack(list(zip(*stacks, strict=True)), inputs, initial)
        return layers[-1], final
