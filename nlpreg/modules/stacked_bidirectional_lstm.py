"""LSTM layers in both directions, with the same dropout at every step."""

import torch
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.augmented_lstm import AugmentedLstm, by_direction, run_stack
from nlpreg.modules.recurrence import LstmState, PaddedRows, Rows, with_data
from nlpreg.nn.util import get_dropout_mask


class StackedBidirectionalLstm(nn.Module):
    """Layers of a forward and a backward `AugmentedLstm` each, whose outputs are joined.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each direction.
        num_layers: number of layers.
        recurrent_dropout_probability: dropout probability of the state, from 0 to 1; a row keeps its mask at all steps.
        layer_dropout_probability: dropout probability between two layers, from 0 to 1; a row keeps its mask at all steps.
        use_highway: whether a highway gate mixes the input of a layer into its output.

    Shape:
        packed rows of width input_size, initial_state None or two of (num_layers, B, hidden_size), from which both
        directions of a layer start. Separate states for both are given as (2 * num_layers, B, hidden_size), the form of
        the final states, or as (num_layers, B, 2 * hidden_size)
        -> packed rows of width 2 * hidden_size, and final states, two of (2 * num_layers, B, hidden_size), of each layer
        first forward, then backward.

    Raises:
        ConfigurationError: in `forward`, when the number of initial states does not fit that of layers.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        recurrent_dropout_probability: float = 0.0,
        layer_dropout_probability: float = 0.0,
        use_highway: bool = True,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = True
        self.layer_dropout_probability = layer_dropout_probability
        for index in range(num_layers):
            for name, go_forward in (("forward", True), ("backward", False)):
                layer = AugmentedLstm(
                    input_size if index == 0 else 2 * hidden_size,
                    hidden_size,
                    go_forward,
                    recurrent_dropout_probability,
                    use_highway,
                    use_input_projection_bias=False,
                )
                self.add_module(f"{name}_layer_{index}", layer)

    @property
    def lstm_layers(self) -> list[list[AugmentedLstm]]:
        """The forward and the backward LSTM of each layer."""
        return [
            [getattr(self, f"forward_layer_{index}"), getattr(self, f"backward_layer_{index}")]
            for index in range(self.num_layers)
        ]

    def forward(self, inputs: Rows, initial_state: LstmState | None = None) -> tuple[Rows, LstmState]:
        """Run over packed rows from the given states, or from zeros."""
        layers, final = self.run_layers(inputs, initial_state)
        return layers[-1], final

    def run_layers(
        self, inputs: Rows, initial_state: LstmState | None = None
    ) -> tuple[list[Rows], LstmState]:
        """The same, but return the rows of every layer, before the dropout between them."""
        initial = None if initial_state is None else self._by_direction(initial_state)
        drops = self.training and self.layer_dropout_probability > 0.0
        return run_stack(self.lstm_layers, inputs, initial, self._dropped if drops else None)

    def _dropped(self, rows: Rows) -> Rows:
        """Dropout with one mask (B, 2H) for all words of a row."""
        data = rows.data
        if isinstance(rows, PaddedRows):
            return with_data(rows, data * get_dropout_mask(self.layer_dropout_probability, data[:, :1]))
        sizes = rows.batch_sizes
        mask = get_dropout_mask(self.layer_dropout_probability, data[: int(sizes[0])])  # (B, 2H)
        # Packed words are ordered by step, and within a step by row.
        starts = torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)
        numbers = (torch.arange(len(starts)) - starts).to(data.device)
        return with_data(rows, data * mask.index_select(0, numbers))

    def _by_direction(self, state: LstmState) -> LstmState:
        """Initial states as (2 * num_layers, B, hidden_size) each."""
        num_given, _, width = state[0].shape
        if (num_given, width) == (2 * self.num_layers, self.hidden_size):
            return state
        if (num_given, width) == (self.num_layers, self.hidden_size):
            return state[0].repeat_interleave(2, dim=0), state[1].repeat_interleave(2, dim=0)
        if (num_given, width) != (self.num_layers, 2 * self.hidden_size):
            raise ConfigurationError(
                f"StackedBidirectionalLstm: expected initial states of {self.num_layers} layers, "
                f"{(self.num_layers, 'B', self.hidden_size)}, got {tuple(state[0].shape)}"
            )
        return by_direction(state, self.hidden_size)
