"""Recurrent modules as encoders of sequences into one vector."""

import torch
from torch import Tensor, nn

from nlpreg.modules import recurrent_wrapper
from nlpreg.modules.encoder_base import RnnState, restore_rows, stored_form
from nlpreg.modules.padded_rnn import can_run_padded, run_padded
from nlpreg.modules.seq2vec_encoders.seq2vec_encoder import Seq2VecEncoder
from nlpreg.nn.operators import run_uncompiled
from nlpreg.nn.util import get_final_encoder_states


class PytorchSeq2VecWrapper(recurrent_wrapper.RecurrentWrapper, Seq2VecEncoder):
    """Makes an encoder of a recurrent module: the final hidden state of its last layer, both directions joined.

    The argument is that of `RecurrentWrapper`.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool, true for words, which come first in each row
        -> (B, output_dim), zeros for rows that are all padding.

    Raises:
        ConfigurationError: `module` is not batch first.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)

    def padding_reach(self) -> int | None:
        """Zero."""
        return 0

    def forward(self, inputs: Tensor, mask: Tensor | None, hidden_state: RnnState | None = None) -> Tensor:
        """Encode a batch.

        Args:
            inputs: (B, T, input_dim).
            mask: (B, T) bool; None for the output at the last step of the whole of `inputs`.
            hidden_state: initial state, (layers times directions, B, hidden_size) or two of these.
        """
        if mask is None:
            if not inputs.size(1):
                return inputs.new_zeros(inputs.size(0), self.get_output_dim())
            output: Tensor = self._module(inputs, hidden_state)[0]
            return output[:, -1, :]
        mask = mask.bool()
        if can_run_padded(self._module):
            lengths = mask.sum(-1)  # (B,)
            state = stored_form(hidden_state)
            is_own = not isinstance(self._module, nn.RNNBase)
            (output,), final = run_padded(self._module, inputs, lengths, state, needs_final_state=is_own)
            if is_own and final is not None:
                return self._last_layer(final[0]).masked_fill((lengths == 0).unsqueeze(1), 0)
            # Outputs at padding are zero, and so are those of rows that are all padding.
            return get_final_encoder_states(output, mask, bool(self._is_bidirectional))
        return run_uncompiled(self._run_packed, inputs, mask, hidden_state)

    def _run_packed(self, inputs: Tensor, mask: Tensor, hidden_state: RnnState | None) -> Tensor:
        """Run a module that takes packed sequences."""
        if not mask.any():
            return inputs.new_zeros(inputs.size(0), self.get_output_dim())
        _, final, restoration = self.sort_and_run_forward(self._module, inputs, mask, hidden_state)
        # Of an LSTM, the memory cells are left out.
        hidden = (final if isinstance(final, Tensor) else final[0],)
        (restored,) = restore_rows(hidden, restoration)  # (layers times directions, B, H)
        return self._last_layer(restored)

    def _last_layer(self, hidden: Tensor) -> Tensor:
        """(layers times directions, B, H) -> (B, H, or 2 H for both directions)."""
        return torch.cat([hidden[-2], hidden[-1]], dim=-1) if self._is_bidirectional else hidden[-1]


@Seq2VecEncoder.register("gru")
class GruSeq2VecEncoder(recurrent_wrapper.GatedWrapper, PytorchSeq2VecWrapper):
    """The final state of gated recurrent units, in one direction or both.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, hidden_size, or twice that for both directions).

    Source: Cho et al. (2014), https://arxiv.org/abs/1406.1078
    """

    _kind = nn.GRU


@Seq2VecEncoder.register("lstm")
class LstmSeq2VecEncoder(recurrent_wrapper.GatedWrapper, PytorchSeq2VecWrapper):
    """The final state of a long short-term memory, in one direction or both.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, hidden_size, or twice that for both directions).

    Source: Hochreiter and Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735
    """

    _kind = nn.LSTM


@Seq2VecEncoder.register("rnn")
class RnnSeq2VecEncoder(recurrent_wrapper.RnnWrapper, PytorchSeq2VecWrapper):
    """The final state of a plain recurrent network, in one direction or both.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, hidden_size, or twice that for both directions).

    Source: Elman (1990), https://doi.org/10.1207/s15516709cog1402_1
    """


@Seq2VecEncoder.register("augmented_lstm")
class AugmentedLstmSeq2VecEncoder(recurrent_wrapper.AugmentedLstmWrapper, PytorchSeq2VecWrapper):
    """The final state of one layer of `AugmentedLstm` in one direction.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, hidden_size).
    """


@Seq2VecEncoder.register("alternating_lstm")
class StackedAlternatingLstmSeq2VecEncoder(recurrent_wrapper.AlternatingLstmWrapper, PytorchSeq2VecWrapper):
    """The final state of layers of `AugmentedLstm` that alternate between left to right and right to left.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, hidden_size).
    """


@Seq2VecEncoder.register("stacked_bidirectional_lstm")
class StackedBidirectionalLstmSeq2VecEncoder(
    recurrent_wrapper.StackedBidirectionalLstmWrapper, PytorchSeq2VecWrapper
):
    """The final state of layers of `AugmentedLstm` in both directions.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, 2 * hidden_size).
    """
