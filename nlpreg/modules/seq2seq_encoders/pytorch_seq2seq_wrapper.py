"""Recurrent modules as encoders of sequences into sequences."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from nlpreg.modules import recurrent_wrapper
from nlpreg.modules.encoder_base import RnnState, RnnStateStorage, restore_rows, stored_form
from nlpreg.modules.padded_rnn import can_run_padded, run_padded
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder, StepState
from nlpreg.nn.operators import run_uncompiled


class PytorchSeq2SeqWrapper(recurrent_wrapper.RecurrentWrapper, Seq2SeqEncoder):
    """Makes an encoder of a recurrent module, so that padding has no influence on a row's result.

    `torch.compile` compiles torch's LSTM, GRU and RNN (once `torch._dynamo.config.allow_rnn` is set) and nlpreg's modules
    without a graph break, and other modules with one.

    Args:
        module: as of `RecurrentWrapper`.
        stateful: whether the state after a batch is the initial state of the next.
        return_all_layers: whether to return a list of the outputs of every layer rather than those of the last, before the
            dropout between them.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool, true for words, which come first in each row
        -> (B, T, output_dim), zeros at padding; or a list of these, one for each layer.

    Raises:
        ConfigurationError: `module` is not batch first.
    """

    def __init__(self, module: nn.Module, stateful: bool = False, return_all_layers: bool = False) -> None:
        super().__init__(module, stateful)
        self.return_all_layers = return_all_layers

    def forward(
        self, inputs: Tensor, mask: Tensor | None, hidden_state: RnnState | None = None
    ) -> Tensor | list[Tensor]:
        """Encode a batch.

        Args:
            inputs: (B, T, input_dim).
            mask: (B, T) bool; None to run the module over the whole of `inputs`.
            hidden_state: initial state, (layers times directions, B, hidden_size) or two of these.

        Raises:
            ValueError: a stateful encoder is called without a mask or with a state.
        """
        if self.stateful and mask is None:
            raise ValueError(f"{type(self).__name__}: a stateful encoder needs a mask")
        if self.stateful and hidden_state is not None:
            raise ValueError(
                f"{type(self).__name__}: a stateful encoder keeps its own state and takes no hidden_state"
            )
        if mask is None and not self.return_all_layers and inputs.size(1):
            output: Tensor = self._module(inputs, hidden_state)[0]
            return output
        mask = inputs.new_ones(inputs.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
        state = self._initial_states(inputs.size(0)) if self.stateful else stored_form(hidden_state)
        layers, final = self._run(inputs, mask, state, self.stateful)
        if self.stateful and final is not None:
            self._store_states(final, mask.any(1))
        return layers if self.return_all_layers else layers[-1]

    def step(self, inputs: Tensor, mask: Tensor, state: StepState | None = None) -> tuple[Tensor, StepState]:
        """Encode the next words, see `Seq2SeqEncoder.step`; the cost does not depend on the words before.

        The state has `hidden` and, for LSTMs, `cell`, both (B, layers, hidden_size). A state that the encoder carries from
        batch to batch is neither used nor changed. Both directions read the whole text again at every step.
        """
        carries, self.stateful = self.stateful, False
        try:
            if self._is_bidirectional or not getattr(self._module, "go_forward", True):
                return super().step(inputs, mask, state)
            return self._step(inputs, mask.bool(), state)
        finally:
            self.stateful = carries

    def _step(self, inputs: Tensor, mask: Tensor, state: StepState | None) -> tuple[Tensor, StepState]:
        parts = None if state is None else tuple(part.transpose(0, 1).contiguous() for part in state.values())
        layers, finals = self._run(inputs, mask, parts, needs_final_state=True)
        names = zip(("hidden", "cell"), finals or (), strict=False)
        return layers[-1], {name: part.transpose(0, 1) for name, part in names}

    def _run(
        self, inputs: Tensor, mask: Tensor, state: RnnStateStorage | None, needs_final_state: bool
    ) -> tuple[list[Tensor], RnnStateStorage | None]:
        """Outputs (B, T, output_dim) of each layer, or of the last one, and the final states, or None."""
        if can_run_padded(self._module):
            return run_padded(
                self._module,
                inputs,
                mask.sum(-1),
                state,
                needs_final_state,
                all_layers=self.return_all_layers,
            )
        return run_uncompiled(self._run_packed, inputs, mask, state, needs_final_state)

    def _run_packed(
        self, inputs: Tensor, mask: Tensor, state: RnnStateStorage | None, needs_final_state: bool
    ) -> tuple[list[Tensor], RnnStateStorage | None]:
        """As `_run`, for a module that takes packed sequences."""
        if not mask.any():
            nothing = inputs.new_zeros(*mask.shape, self.get_output_dim())
            return [nothing] * (self.num_layers if self.return_all_layers else 1), state
        run = self._module.run_layers if self.return_all_layers else self._module
        found, final, restoration = self.sort_and_run_forward(run, inputs, mask, state)
        packed = found if isinstance(found, list) else [found]
        layers = [_restored(layer, restoration, inputs.size(1)) for layer in packed]
        if not needs_final_state:  # modules of others may return any state, or None
            return layers, None
        finals = restore_rows((final,) if isinstance(final, Tensor) else final, restoration)
        if state is not None:  # rows without words keep their state
            is_read = mask.any(1).view(1, -1, 1)
            finals = tuple(torch.where(is_read, *pair) for pair in zip(finals, state, strict=True))
        return layers, finals


def _restored(packed: PackedSequence, restoration: Tensor, num_steps: int) -> Tensor:
    """Unpack rows, append those that are all padding, and undo the sorting: (B, num_steps, D)."""
    output, _ = pad_packed_sequence(packed, batch_first=True, total_length=num_steps)
    missing = len(restoration) - output.size(0)
    return nn.functional.pad(output, (0, 0, 0, 0, 0, missing)).index_select(0, restoration)


@Seq2SeqEncoder.register("gru")
class GruSeq2SeqEncoder(recurrent_wrapper.GatedWrapper, PytorchSeq2SeqWrapper):
    """Gated recurrent units, in one direction or both.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, T, hidden_size, or twice that for both directions).

    Source: Cho et al. (2014), https://arxiv.org/abs/1406.1078
    """

    _kind = nn.GRU


@Seq2SeqEncoder.register("lstm")
class LstmSeq2SeqEncoder(recurrent_wrapper.GatedWrapper, PytorchSeq2SeqWrapper):
    """A long short-term memory, in one direction or both.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, T, hidden_size, or twice that for both directions).

    Source: Hochreiter and Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735
    """

    _kind = nn.LSTM


@Seq2SeqEncoder.register("rnn")
class RnnSeq2SeqEncoder(recurrent_wrapper.RnnWrapper, PytorchSeq2SeqWrapper):
    """A plain recurrent network, in one direction or both.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, T, hidden_size, or twice that for both directions).

    Source: Elman (1990), https://doi.org/10.1207/s15516709cog1402_1
    """


@Seq2SeqEncoder.register("augmented_lstm")
class AugmentedLstmSeq2SeqEncoder(recurrent_wrapper.AugmentedLstmWrapper, PytorchSeq2SeqWrapper):
    """One layer of `AugmentedLstm` in one direction.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, T, hidden_size).
    """


@Seq2SeqEncoder.register("alternating_lstm")
class StackedAlternatingLstmSeq2SeqEncoder(recurrent_wrapper.AlternatingLstmWrapper, PytorchSeq2SeqWrapper):
    """Layers of `AugmentedLstm` that alternate between left to right and right to left.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, T, hidden_size).
    """


@Seq2SeqEncoder.register("stacked_bidirectional_lstm")
class StackedBidirectionalLstmSeq2SeqEncoder(
    recurrent_wrapper.StackedBidirectionalLstmWrapper, PytorchSeq2SeqWrapper
):
    """Layers of `AugmentedLstm` in both directions.

    Shape:
        inputs (B, T, input_size), mask (B, T) -> (B, T, 2 * hidden_size).
    """
