"""A Seq2Seq encoder: a convolution over each word and its neighbours."""

import torch
from torch import Tensor

from nlpreg.modules import Seq2SeqEncoder


@Seq2SeqEncoder.register("neighbours")
class NeighboursEncoder(Seq2SeqEncoder):
    """Combines each vector with those of the words around it.

    Args:
        input_dim: width of each input vector.
        output_dim: width of each output vector.
        num_neighbours: number of words looked at on each side.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool, true for words -> (B, T, output_dim), zeros at padding.
    """

    def __init__(self, input_dim: int, output_dim: int, num_neighbours: int = 1) -> None:
        super().__init__()
        self._input_dim = input_dim
        self._output_dim = output_dim
        self._convolution = torch.nn.Conv1d(
            input_dim, output_dim, kernel_size=2 * num_neighbours + 1, padding=num_neighbours
        )

    def get_input_dim(self) -> int:
        return self._input_dim

    def get_output_dim(self) -> int:
        return self._output_dim

    def is_bidirectional(self) -> bool:
        return False

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        words = mask.unsqueeze(-1)
        convolved: Tensor = self._convolution((inputs * words).transpose(1, 2)).transpose(
            1, 2
        )  # (B, T, output_dim)
        return convolved.relu() * words
