"""The LSTM of AWD language models: dropout of its weights, the same dropout at all steps, penalties on its states."""

import itertools
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common.checks import PositiveInt, Probability
from nlpreg.modules.encoder_base import RnnStateStorage
from nlpreg.modules.padded_rnn import rows_of, run_direction, run_direction_as_operator
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder, StepState
from nlpreg.nn.module import PenalizedActivations
from nlpreg.nn.operators import is_exporting, run_uncompiled
from nlpreg.nn.util import get_dropout_mask

# B rows, T steps, H width of a layer's states


@Seq2SeqEncoder.register("awd_lstm")
class AwdLstmEncoder(PenalizedActivations, Seq2SeqEncoder):
    """Layers of LSTMs in one direction, regularised as in AWD language models.

    In training, the weights between the states of successive steps are dropped (DropConnect), with one mask for a batch;
    inputs, outputs of layers and outputs are dropped with one mask for all steps of a row ("locked" or variational dropout).
    Two penalties can be added to the loss: `activation_penalty_weight` times the mean square of the outputs (AR), and
    `temporal_penalty_weight` times the mean square of the difference of successive outputs (TAR).

    Args:
        input_size: width of each input vector.
        hidden_size: width of the states of all layers but the last.
        num_layers: number of layers.
        output_size: width of the states of the last layer; None for `hidden_size`. With the width of the word vectors, a
            softmax can share them without a projection.
        input_dropout: dropout probability of the inputs, from 0 to 1.
        hidden_dropout: dropout probability between two layers, from 0 to 1.
        output_dropout: dropout probability of the outputs, from 0 to 1.
        weight_dropout: dropout probability of the weights from state to state, from 0 to 1.
        activation_penalty_weight: of the penalty on large outputs; 2 in the paper, 0 for none.
        temporal_penalty_weight: of the penalty on changes of the outputs, before dropout; 1 in the paper, 0 for none.
        stateful: whether the state after a batch is the initial state of the next.
        return_all_layers: whether to return a list of the outputs of every layer rather than those of the last.

    Shape:
        inputs (B, T, input_size), mask (B, T) bool, true for words, which come first in each row
        -> (B, T, output_size), zeros at padding; or a list of (B, T, hidden_size) for each layer but the last, and that.

    Source: Merity, Keskar and Socher (2018), https://arxiv.org/abs/1708.02182; Merity, McCann and Socher (2017),
    https://arxiv.org/abs/1708.01009 (penalties)
    """

    _is_bidirectional = False

    def __init__(
        self,
        input_size: PositiveInt,
        hidden_size: PositiveInt,
        num_layers: PositiveInt = 3,
        output_size: PositiveInt | None = None,
        input_dropout: Probability = 0.4,
        hidden_dropout: Probability = 0.25,
        output_dropout: Probability = 0.4,
        weight_dropout: Probability = 0.5,
        activation_penalty_weight: float = 0.0,
        temporal_penalty_weight: float = 0.0,
        stateful: bool = False,
        return_all_layers: bool = False,
    ) -> None:
        super().__init__(stateful)
        widths = [input_size, *[hidden_size] * (num_layers - 1), output_size or hidden_size]
        self.layers = nn.ModuleList(
            nn.LSTM(width, next_width, batch_first=True) for width, next_width in itertools.pairwise(widths)
        )
        self._input_dim, self._output_dim = input_size, widths[-1]
        self.num_layers = num_layers
        self.return_all_layers = return_all_layers
        self.input_dropout = input_dropout
        # Of what each layer hands on.
        self._layer_dropouts = [*[hidden_dropout] * (num_layers - 1), output_dropout]
        self.weight_dropout = weight_dropout
        self.activation_penalty_weight = activation_penalty_weight
        self.temporal_penalty_weight = temporal_penalty_weight

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor | list[Tensor]:
        """Encode a batch."""
        mask = mask.bool()
        states = self._initial_states(inputs.size(0)) if self.stateful else None
        run = self._run_as_operators if is_exporting() else self._run
        outputs, raw, final = run_uncompiled(run, inputs, mask.sum(-1), states, self.stateful)
        if self.stateful:
            self._store_states(final, mask.any(dim=1))
        self.activation_penalty = self._penalty(outputs[-1], raw, mask) if self.training else None
        return outputs if self.return_all_layers else outputs[-1]

    def step(self, inputs: Tensor, mask: Tensor, state: StepState | None = None) -> tuple[Tensor, StepState]:
        """Encode the next words, see `Seq2SeqEncoder.step`; the cost does not depend on the words before.

        The state has `hidden_0`, `cell_0`, `hidden_1` and so on, (B, 1, H) each.
        """
        states = None if state is None else tuple(part.transpose(0, 1) for part in state.values())
        outputs, _, final = self._run(inputs, mask.bool().sum(-1), states, needs_final_state=True)
        names = [f"{name}_{layer}" for layer in range(self.num_layers) for name in ("hidden", "cell")]
        return outputs[-1], {name: part.transpose(0, 1) for name, part in zip(names, final, strict=True)}

    def _run(
        self, inputs: Tensor, lengths: Tensor, states: RnnStateStorage | None, needs_final_state: bool
    ) -> tuple[list[Tensor], Tensor, RnnStateStorage]:
        """Run all layers.

        Args:
            inputs: (B, T, input_size).
            lengths: (B,) number of words of each row.
            states: hidden state and memory cell of each layer, alternating, (1, B, H) each; None for zeros.
            needs_final_state: whether the states after the last word of each row are wanted.

        Returns:
            Outputs (B, T, H) of each layer, of which the last is dropped; those of the last before dropout; the final
            states, which have a meaning only if they are wanted.
        """
        rows = rows_of(inputs, lengths, self._weights(self.layers[-1]), needs_final_state)
        x = _locked_dropout(rows.sort(inputs), self.input_dropout, self.training)  # (B, longest, input_size)
        outputs: list[Tensor] = []
        finals: list[Tensor] = []
        layer: Any
        for index, (layer, dropout) in enumerate(zip(self.layers, self._layer_dropouts, strict=True)):
            if states is None:
                zeros = x.new_zeros(1, x.size(0), layer.hidden_size)
                initial: tuple[Tensor, ...] = (zeros, zeros)
            else:
                initial = rows.sort_states([part.contiguous() for part in states[2 * index : 2 * index + 2]])
            raw, final = run_direction("LSTM", x, rows, initial, self._weights(layer), is_backward=False)
            finals.extend(rows.restore_states(final))
            x = _locked_dropout(raw, dropout, self.training)
            outputs.append(rows.restore(x if index + 1 == self.num_layers else raw))
        return outputs, rows.restore(raw), tuple(finals)

    def _run_as_operators(
        self, inputs: Tensor, lengths: Tensor, states: RnnStateStorage | None, needs_final_state: bool
    ) -> tuple[list[Tensor], Tensor, RnnStateStorage]:
        """`_run` without dropout, from states of zeros and without final states, as operators that are opaque to
        `torch.export`."""
        x = inputs
        outputs: list[Tensor] = []
        layer: Any
        for layer in self.layers:
            zeros = x.new_zeros(1, x.size(0), layer.hidden_size)
            x, _ = run_direction_as_operator(
                "LSTM", x, lengths, (zeros, zeros), self._weights(layer), is_backward=False, is_exact=False
            )
            outputs.append(x)
        return outputs, x, ()

    def _weights(self, layer: Any) -> list[Tensor]:
        """The weights of a layer, those from state to state dropped, in the order that torch's kernels take them."""
        recurrent = functional.dropout(layer.weight_hh_l0, self.weight_dropout, self.training)
        return [layer.weight_ih_l0, recurrent, layer.bias_ih_l0, layer.bias_hh_l0]

    def _penalty(self, outputs: Tensor, raw: Tensor, mask: Tensor) -> Tensor | None:
        """The weighted penalties on the outputs (B, T, H), 0-d; None if there are none."""
        penalty: Tensor | None = None
        # Sums over a batch need more digits than half precision has.
        outputs, raw = outputs.float(), raw.float()
        if self.activation_penalty_weight:
            count = mask.sum().clamp(min=1) * outputs.size(2)  # outputs at padding are zeros
            penalty = self.activation_penalty_weight * outputs.square().sum() / count
        if self.temporal_penalty_weight:
            is_pair = mask[:, 1:].unsqueeze(2)  # a word and the one before
            changes = (raw[:, 1:] - raw[:, :-1]).masked_fill(~is_pair, 0).square().sum()
            temporal = self.temporal_penalty_weight * changes / (is_pair.sum().clamp(min=1) * raw.size(2))
            penalty = temporal if penalty is None else penalty + temporal
        return penalty


def _locked_dropout(values: Tensor, p: float, training: bool) -> Tensor:
    """Dropout of (B, T, D) with one mask (B, 1, D) for all steps of a row."""
    if not training or p == 0.0:
        return values
    return values * get_dropout_mask(p, values[:, :1]).to(values.dtype)
