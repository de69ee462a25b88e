"""The bidirectional LSTM of ELMo, whose directions are independent."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import cached_path
from nlpreg.common.imports import optional
from nlpreg.modules.encoder_base import EncoderBase
from nlpreg.modules.lstm_cell_with_projection import LstmCellWithProjection
from nlpreg.modules.recurrence import LstmState, PaddedRows, with_data

# L layers, B rows, T steps


class ElmoLstm(EncoderBase):
    """A forward and a backward stack of LSTMs with projection; from the second layer on, a layer's input is added to its
    output. It carries its state from one batch to the next.

    Args:
        input_size: width of each input vector.
        hidden_size: width of the hidden state of each direction.
        cell_size: width of the memory cell of each direction.
        num_layers: number of layers.
        requires_grad: whether weights that `load_weights` reads are trained.
        recurrent_dropout_probability: dropout probability of the hidden state, from 0 to 1; a row keeps its mask.
        memory_cell_clip_value: largest absolute value of the memory cells; None for no limit.
        state_projection_clip_value: largest absolute value of the hidden states; None for no limit.

    Shape:
        inputs (B, T, input_size), mask (B, T) bool -> (num_layers, B, T, 2 * hidden_size), zeros at padding.

    Source: Peters et al. (2018), https://arxiv.org/abs/1802.05365
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        cell_size: int,
        num_layers: int,
        requires_grad: bool = False,
        recurrent_dropout_probability: float = 0.0,
        memory_cell_clip_value: float | None = None,
        state_projection_clip_value: float | None = None,
    ) -> None:
        super().__init__(stateful=True)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.cell_size = cell_size
        self.num_layers = num_layers
        self.requires_grad = requires_grad
        for direction in ("forward", "backward"):
            for index in range(num_layers):
                layer = LstmCellWithProjection(
                    input_size if index == 0 else hidden_size,
                    hidden_size,
                    cell_size,
                    direction == "forward",
                    recurrent_dropout_probability,
                    memory_cell_clip_value,
                    state_projection_clip_value,
                )
                self.add_module(f"{direction}_layer_{index}", layer)

    def layers(self, direction: str) -> list[LstmCellWithProjection]:
        """The layers of a direction, `forward` or `backward`."""
        return [getattr(self, f"{direction}_layer_{index}") for index in range(self.num_layers)]

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Encode a batch."""
        mask = mask.bool()
        if torch.compiler.is_compiling():
            lengths = mask.sum(-1)
            stacked, states = self._run_layers(
                PaddedRows(inputs, lengths), self._initial_states(mask.size(0))
            )
            self._store_states(states, lengths > 0)
            return stacked
        batch_size, num_steps = mask.shape
        if not mask.any():
            return inputs.new_zeros(self.num_layers, batch_size, num_steps, 2 * self.hidden_size)
        output, final, restoration = self.sort_and_run_forward(self._run_packed, inputs, mask)
        self._update_states(final, restoration)
        assert isinstance(output, Tensor)  # (L, rows that are not all padding, longest, 2 * hidden_size)
        missing_rows, missing_steps = batch_size - output.size(1), num_steps - output.size(2)
        padded = torch.nn.functional.pad(output, (0, 0, 0, missing_steps, 0, missing_rows))
        return padded.index_select(1, restoration)

    def _run_packed(self, inputs: PackedSequence, initial: LstmState | None) -> tuple[Tensor, LstmState]:
        """Run over packed rows: see `_run_layers`, but (L, B, longest, 2 * hidden_size)."""
        joined, states = self._run_layers(inputs, initial)
        padded, _ = pad_packed_sequence(with_data(inputs, joined.transpose(0, 1)), batch_first=True)
        return padded.permute(2, 0, 1, 3), states

    def _run_layers(
        self, inputs: PackedSequence | PaddedRows, initial: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, LstmState]:
        """Run over rows.

        Args:
            inputs: packed ones longest first.
            initial: states as returned, or None for zeros.

        Returns:
            For each layer what `inputs.data` is, 2 * hidden_size wide, and the states (L, B, 2 * hidden_size) and
            (L, B, 2 * cell_size).
        """
        outputs, hidden, memory = [], [], []
        for direction, name in enumerate(("forward", "backward")):
            current: Any = inputs
            own_outputs, own_states = [], []
            for index, layer in enumerate(self.layers(name)):
                state = None if initial is None else self._state_of(initial, index, direction)
                output, final = layer.run_rows(current, state)
                if index > 0:
                    output = with_data(output, output.data + current.data)
                current = output
                own_outputs.append(output.data)
                own_states.append(final)
            outputs.append(torch.stack(own_outputs))  # (L, N, hidden_size), or (L, B, T, hidden_size)
            hidden.append(torch.cat([h for h, _ in own_states]))
            memory.append(torch.cat([c for _, c in own_states]))
        return torch.cat(outputs, dim=-1), (torch.cat(hidden, dim=-1), torch.cat(memory, dim=-1))

    def _state_of(self, states: tuple[Tensor, ...], index: int, direction: int) -> LstmState:
        """The part of the states that belongs to one layer and direction."""
        own = [states[i][index : index + 1].chunk(2, dim=-1)[direction].contiguous() for i in range(2)]
        return own[0], own[1]

    def load_weights(self, weight_file: str) -> None:
        """Read the weights from an HDF5 file in the layout of the published ELMo models.

        Args:
            weight_file: path or URL.

        Raises:
            ConfigurationError: the file has other numbers of layers or other sizes than this module.
        """
        h5py = optional("h5py", extra="hdf5")
        with h5py.File(cached_path(weight_file), "r") as file:
            for direction, name in enumerate(("forward", "backward")):
                cells = file[f"RNN_{direction}"]["RNN"]["MultiRNNCell"]
                for index, layer in enumerate(self.layers(name)):
                    if f"Cell{index}" not in cells:
                        raise ConfigurationError(
                            f"{weight_file}: expected {self.num_layers} layers, got {len(cells)}"
                        )
                    self._load_layer(layer, cells[f"Cell{index}"]["LSTMCell"], weight_file)

    def _load_layer(self, layer: LstmCellWithProjection, stored: Any, weight_file: str) -> None:
        """Copy the weights of one layer and direction."""
        size = layer.cell_size
        kernel = torch.from_numpy(stored["W_0"][...]).float().t()  # (4 * cell, input + hidden)
        bias = torch.from_numpy(stored["B"][...]).float()
        projection = torch.from_numpy(stored["W_P_0"][...]).float().t()
        expected = ((4 * size, layer.input_size + layer.hidden_size), (layer.hidden_size, size))
        if (tuple(kernel.shape), tuple(projection.shape)) != expected:
            raise ConfigurationError(
                f"{weight_file}: expected W_0 and W_P_0 of the transposed shapes {expected}, "
                f"got {(tuple(kernel.shape), tuple(projection.shape))}"
            )
        kernel, bias = _reorder_gates(kernel), _reorder_gates(bias)
        # The published models add 1 to the forget gate separately from its bias.
        bias[size : 2 * size] += 1
        layer.input_linearity.weight.data.copy_(kernel[:, : layer.input_size])
        layer.state_linearity.weight.data.copy_(kernel[:, layer.input_size :])
        layer.state_linearity.bias.data.copy_(bias)
        layer.state_projection.weight.data.copy_(projection)
        layer.requires_grad_(self.requires_grad)


def _reorder_gates(weight: Tensor) -> Tensor:
    """From input, candidate, forget, output to input, forget, candidate, output."""
    input_gate, candidate, forget_gate, output_gate = weight.chunk(4)
    return torch.cat([input_gate, forget_gate, candidate, output_gate])
