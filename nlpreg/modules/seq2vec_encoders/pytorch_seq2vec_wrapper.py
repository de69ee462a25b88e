"""Recurrent modules as encoders of sequences into one vector."""

from typing import Any

import torch
from torch import Tensor, nn

from nlpreg.modules.augmented_lstm import AugmentedLstm
from nlpreg.modules.encoder_base import RnnState, restore_rows
from nlpreg.modules.padded_rnn import can_run_padded, run_padded
from nlpreg.modules.seq2vec_encoders.seq2vec_encoder import Seq2VecEncoder
from nlpreg.modules.stacked_alternating_lstm import StackedAlternatingLstm
from nlpreg.modules.stacked_bidirectional_lstm import StackedBidirectionalLstm
from nlpreg.modules.uncompiled import run_uncompiled
from nlpreg.nn.util import get_final_encoder_states

__all__ = [
    "AugmentedLstmSeq2VecEncoder",
    "GruSeq2VecEncoder",
    "LstmSeq2VecEncoder",
    "PytorchSeq2VecWrapper",
    "RnnSeq2VecEncoder",
    "StackedAlternatingLstmSeq2VecEncoder",
    "StackedBidirectionalLstmSeq2VecEncoder",
]


class PytorchSeq2VecWrapper(Seq2VecEncoder):
    """Makes an encoder of a recurrent module: the final hidden state of its last layer, both directions joined.

    Args:
        module: offers `input_size`, `hidden_size`, perhaps `bidirectional`, and is called with a packed sequence and an
            initial state. torch's own LSTM, GRU and RNN are run without packing where that is faster.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool, true for words, which come first in each row
        -> (B, output_dim), zeros for rows that are all padding.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(stateful=False)
        self._module: Any = module
        self._is_bidirectional = bool(getattr(module, "bidirectional", False))

    def get_input_dim(self) -> int:
        """Width of each input vector."""
        return int(self._module.input_size)

    def get_output_dim(self) -> int:
        """Width of the output vector, both directions together."""
        return int(self._module.hidden_size) * (2 if self._is_bidirectional else 1)

    def shortest_input(self) -> int | None:
        """One step."""
        return 1

    def forward(self, inputs: Tensor, mask: Tensor | None, hidden_state: RnnState | None = None) -> Tensor:
        """Encode a batch.

        Args:
            inputs: (B, T, input_dim).
            mask: (B, T) bool; None for the output at the last step of the whole of `inputs`.
            hidden_state: initial state, (layers times directions, B, hidden_size) or two of these.
        """
        if mask is None:
            output: Tensor = self._module(inputs, hidden_state)[0]
            return output[:, -1, :]
        if can_run_padded(self._module):
            lengths = mask.sum(-1)
            state = (hidden_state,) if isinstance(hidden_state, Tensor) else hidden_state
            is_own = not isinstance(self._module, nn.RNNBase)
            output, final = run_padded(self._module, inputs, lengths, state, needs_final_state=is_own)
            if is_own and final is not None:
                return self._last_layer(final[0]).masked_fill((lengths == 0).unsqueeze(1), 0)
            # Outputs at padding are zero, and so are those of rows that are all padding.
            return get_final_encoder_states(output, mask, self._is_bidirectional)
        return run_uncompiled(self._run_packed, inputs, mask, hidden_state)

    def _run_packed(self, inputs: Tensor, mask: Tensor, hidden_state: RnnState | None) -> Tensor:
        """Run a module that takes packed sequences."""
        if not mask.any():
            return inputs.new_zeros(inputs.size(0), self.get_output_dim())
        _, final, restoration = self.sort_and_run_forward(self._module, inputs, mask, hidden_state)
        hidden = (final if isinstance(final, Tensor) else final[0],)
        (restored,) = restore_rows(hidden, restoration)  # (layers times directions, B, H)
        return self._last_layer(restored)

    def _last_layer(self, hidden: Tensor) -> Tensor:
        """(layers times directions, B, H) -> (B, H, or 2 H for both directions)."""
        return torch.cat([hidden[-2], hidden[-1]], dim=-1) if self._is_bidirectional else hidden[-1]


@Seq2VecEncoder.register("gru")
class GruSeq2VecEncoder(PytorchSeq2VecWrapper):
    """The final state of gated recurrent units, in one direction or both.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each direction.
        num_layers: number of layers.
        bias: whether the layers have biases.
        dropout: chance, from 0 to 1, that a value between two layers is zeroed.
        bidirectional: whether there is a backward direction too.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, hidden_size, or twice that for both directions).

    Source: Cho et al. (2014), https://arxiv.org/abs/1406.1078
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(
            nn.GRU(
                input_size,
                hidden_size,
                num_layers,
                bias=bias,
                batch_first=True,
                dropout=dropout,
                bidirectional=bidirectional,
            )
        )


@Seq2VecEncoder.register("lstm")
class LstmSeq2VecEncoder(PytorchSeq2VecWrapper):
    """The final state of a long short-term memory, in one direction or both.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each direction.
        num_layers: number of layers.
        bias: whether the layers have biases.
        dropout: chance, from 0 to 1, that a value between two layers is zeroed.
        bidirectional: whether there is a backward direction too.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, hidden_size, or twice that for both directions).

    Source: Hochreiter and Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(
            nn.LSTM(
                input_size,
                hidden_size,
                num_layers,
                bias=bias,
                batch_first=True,
                dropout=dropout,
                bidirectional=bidirectional,
            )
        )


@Seq2VecEncoder.register("rnn")
class RnnSeq2VecEncoder(PytorchSeq2VecWrapper):
    """The final state of a plain recurrent network, in one direction or both.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each direction.
        num_layers: number of layers.
        nonlinearity: `tanh` or `relu`.
        bias: whether the layers have biases.
        dropout: chance, from 0 to 1, that a value between two layers is zeroed.
        bidirectional: whether there is a backward direction too.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, hidden_size, or twice that for both directions).

    Source: Elman (1990), https://doi.org/10.1207/s15516709cog1402_1
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(
            nn.RNN(
                input_size,
                hidden_size,
                num_layers,
                nonlinearity=nonlinearity,
                bias=bias,
                batch_first=True,
                dropout=dropout,
                bidirectional=bidirectional,
            )
        )


@Seq2VecEncoder.register("augmented_lstm")
class AugmentedLstmSeq2VecEncoder(PytorchSeq2VecWrapper):
    """The final state of one layer of `AugmentedLstm` in one direction.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state.
        go_forward: whether it runs from left to right; false for right to left.
        recurrent_dropout_probability: chance, from 0 to 1, that a value of the state is zeroed at every step of a row.
        use_highway: whether a gate lets the input pass by.
        use_input_projection_bias: whether the projection of the inputs has a bias.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, hidden_size).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        go_forward: bool = True,
        recurrent_dropout_probability: float = 0.0,
        use_highway: bool = True,
        use_input_projection_bias: bool = True,
    ) -> None:
        module = AugmentedLstm(
            input_size,
            hidden_size,
            go_forward,
            recurrent_dropout_probability,
            use_highway,
            use_input_projection_bias,
        )
        super().__init__(module)


@Seq2VecEncoder.register("alternating_lstm")
class StackedAlternatingLstmSeq2VecEncoder(PytorchSeq2VecWrapper):
    """The final state of layers of `AugmentedLstm` that run left to right and right to left by turns.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each layer.
        num_layers: number of layers.
        recurrent_dropout_probability: chance, from 0 to 1, that a value of the state is zeroed at every step of a row.
        use_highway: whether a gate lets the input of a layer pass by.
        use_input_projection_bias: whether the projections of the inputs have biases.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, hidden_size).
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
        module = StackedAlternatingLstm(
            input_size,
            hidden_size,
            num_layers,
            recurrent_dropout_probability,
            use_highway,
            use_input_projection_bias,
        )
        super().__init__(module)


@Seq2VecEncoder.register("stacked_bidirectional_lstm")
class StackedBidirectionalLstmSeq2VecEncoder(PytorchSeq2VecWrapper):
    """The final state of layers of `AugmentedLstm` in both directions.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the state of each direction.
        num_layers: number of layers.
        recurrent_dropout_probability: chance, from 0 to 1, that a value of the state is zeroed at every step of a row.
        layer_dropout_probability: chance, from 0 to 1, that a value between two layers is zeroed at every step of a row.
        use_highway: whether a gate lets the input of a layer pass by.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, 2 * hidden_size).
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
        module = StackedBidirectionalLstm(
            input_size,
            hidden_size,
            num_layers,
            recurrent_dropout_probability,
            layer_dropout_probability,
            use_highway,
        )
        super().__init__(module)
