"""LSTM layers that alternate between left to right and right to left."""

from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.augmented_lstm import AugmentedLstm, run_stack
from nlpreg.modules.recurrence import LstmState, Rows


class StackedAlternatingLstm(nn.Module):
    """Layers of `AugmentedLstm`, the even ones from left to right and the odd ones from right to left.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each layer.
        num_layers: number of layers.
        recurrent_dropout_probability: dropout probability of the state, from 0 to 1; a row keeps its mask at all steps.
        use_highway: whether a highway gate mixes the input of a layer into its output.
        use_input_projection_bias: whether the projections of the inputs have biases.

    Shape:
        packed rows of width input_size, initial_state None or two of (num_layers, B, hidden_size)
        -> packed rows of width hidden_size, and the final states, two of (num_layers, B, hidden_size).

    Raises:
        ConfigurationError: in `forward`, when the number of initial states is not that of layers.

    Source: He et al. (2017), https://aclanthology.org/P17-1044
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        recurrent_dropout_probability: float = 0.0,
        use_highway: bool = True,
        use_input_projection_bias: bool = True,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        for index in range(num_layers):
            layer = AugmentedLstm(
                input_size if index == 0 else hidden_size,
                hidden_size,
                go_forward=index % 2 == 0,
                recurrent_dropout_probability=recurrent_dropout_probability,
                use_highway=use_highway,
                use_input_projection_bias=use_input_projection_bias,
            )
            self.add_module(f"layer_{index}", layer)

    @property
    def lstm_layers(self) -> list[AugmentedLstm]:
        """The layers, the first one first."""
        return [getattr(self, f"layer_{index}") for index in range(self.num_layers)]

    def forward(self, inputs: Rows, initial_state: LstmState | None = None) -> tuple[Rows, LstmState]:
        """Run over packed rows from the given states, or from zeros."""
        layers, final = self.run_layers(inputs, initial_state)
        return layers[-1], final

    def run_layers(
        self, inputs: Rows, initial_state: LstmState | None = None
    ) -> tuple[list[Rows], LstmState]:
        """The same, but return the rows of every layer."""
        if initial_state is not None and initial_state[0].size(0) != self.num_layers:
            raise ConfigurationError(
                f"StackedAlternatingLstm: expected initial states of {self.num_layers} layers, "
                f"got {initial_state[0].size(0)}"
            )
        return run_stack([[layer] for layer in self.lstm_layers], inputs, initial_state)
