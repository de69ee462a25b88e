"""Base classes of encoders around a recurrent module: its sizes, and the arguments that it is built from."""

from typing import Any, ClassVar

from torch import nn

from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.modules.augmented_lstm import AugmentedLstm
from nlpreg.modules.encoder_base import EncoderBase
from nlpreg.modules.stacked_alternating_lstm import StackedAlternatingLstm
from nlpreg.modules.stacked_bidirectional_lstm import StackedBidirectionalLstm


class RecurrentWrapper(EncoderBase):
    """An encoder around a recurrent module.

    Args:
        module: has `input_size`, `hidden_size` and optionally `bidirectional`, and is called with a packed sequence and an
            initial state. torch's LSTM, GRU and RNN are run without packing if that is faster.
        stateful: whether the state after a batch is the initial state of the next.

    Raises:
        ConfigurationError: `module` is not batch first.
    """

    def __init__(self, module: nn.Module, stateful: bool = False) -> None:
        super().__init__(stateful)
        if not getattr(module, "batch_first", True):
            raise ConfigurationError(
                f"{type(module).__name__}: expected a module made with batch_first=True, got batch_first=False"
            )
        self._module: Any = module
        self.num_layers = int(getattr(module, "num_layers", 1))
        self._is_bidirectional: bool | None = bool(getattr(module, "bidirectional", False))

    def get_input_dim(self) -> int:
        """Width of each input vector."""
        return int(self._module.input_size)

    def get_output_dim(self) -> int:
        """Width of each output vector, both directions together."""
        return int(self._module.hidden_size) * (2 if self._is_bidirectional else 1)


class GatedWrapper(RecurrentWrapper):
    """Base of encoders around torch's LSTM or GRU.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each direction.
        num_layers: number of layers.
        bias: whether the layers have biases.
        dropout: dropout probability between two layers, from 0 to 1.
        bidirectional: whether there is a backward direction too.
    """

    _kind: ClassVar[type[nn.LSTM | nn.GRU]]

    def __init__(
        self,
        input_size: PositiveInt,
        hidden_size: PositiveInt,
        num_layers: PositiveInt = 1,
        bias: bool = True,
        dropout: Probability = 0.0,
        bidirectional: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        module = self._kind(input_size, hidden_size, num_layers, bias, True, dropout, bidirectional)
        super().__init__(module, *args, **kwargs)


class RnnWrapper(RecurrentWrapper):
    """Base of encoders around torch's RNN.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each direction.
        num_layers: number of layers.
        nonlinearity: `tanh` or `relu`.
        bias: whether the layers have biases.
        dropout: dropout probability between two layers, from 0 to 1.
        bidirectional: whether there is a backward direction too.
    """

    def __init__(
        self,
        input_size: PositiveInt,
        hidden_size: PositiveInt,
        num_layers: PositiveInt = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        dropout: Probability = 0.0,
        bidirectional: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        options = (nonlinearity, bias, True, dropout, bidirectional)
        super().__init__(nn.RNN(input_size, hidden_size, num_layers, *options), *args, **kwargs)


class AugmentedLstmWrapper(RecurrentWrapper):
    """Base of encoders around `AugmentedLstm`.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state.
        go_forward: whether it runs from left to right; false for right to left.
        recurrent_dropout_probability: dropout probability of the state, from 0 to 1; a row keeps its mask at all steps.
        use_highway: whether a highway gate mixes the input into the output.
        use_input_projection_bias: whether the projection of the inputs has a bias.
    """

    def __init__(
        self,
        input_size: PositiveInt,
        hidden_size: PositiveInt,
        go_forward: bool = True,
        recurrent_dropout_probability: Probability = 0.0,
        use_highway: bool = True,
        use_input_projection_bias: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        options = (recurrent_dropout_probability, use_highway, use_input_projection_bias)
        super().__init__(AugmentedLstm(input_size, hidden_size, go_forward, *options), *args, **kwargs)


class AlternatingLstmWrapper(RecurrentWrapper):
    """Base of encoders around `StackedAlternatingLstm`.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each layer.
        num_layers: number of layers.
        recurrent_dropout_probability: dropout probability of the state, from 0 to 1; a row keeps its mask at all steps.
        use_highway: whether a highway gate mixes the input of a layer into its output.
        use_input_projection_bias: whether the projections of the inputs have biases.
    """

    def __init__(
        self,
        input_size: PositiveInt,
        hidden_size: PositiveInt,
        num_layers: PositiveInt,
        recurrent_dropout_probability: Probability = 0.0,
        use_highway: bool = True,
        use_input_projection_bias: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        options = (recurrent_dropout_probability, use_highway, use_input_projection_bias)
        super().__init__(
            StackedAlternatingLstm(input_size, hidden_size, num_layers, *options), *args, **kwargs
        )


class StackedBidirectionalLstmWrapper(RecurrentWrapper):
    """Base of encoders around `StackedBidirectionalLstm`.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each direction.
        num_layers: number of layers.
        recurrent_dropout_probability: dropout probability of the state, from 0 to 1; a row keeps its mask at all steps.
        layer_dropout_probability: dropout probability between two layers, from 0 to 1; a row keeps its mask at all steps.
        use_highway: whether a highway gate mixes the input of a layer into its output.
    """

    def __init__(
        self,
        input_size: PositiveInt,
        hidden_size: PositiveInt,
        num_layers: PositiveInt,
        recurrent_dropout_probability: Probability = 0.0,
        layer_dropout_probability: Probability = 0.0,
        use_highway: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        options = (recurrent_dropout_probability, layer_dropout_probability, use_highway)
        super().__init__(
            StackedBidirectionalLstm(input_size, hidden_size, num_layers, *options), *args, **kwargs
        )
