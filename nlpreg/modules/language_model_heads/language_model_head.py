"""The base of language model heads."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nlpreg.common import Registrable


class LanguageModelHead(torch.nn.Module, Registrable):
    """Turns hidden states into unnormalised scores of words.

    Subclasses implement `forward`, and set `input_dim` and `output_dim`.

    Shape:
        hidden_states (..., input_dim) -> (..., output_dim), one score for each word.
    """

    input_dim: int
    output_dim: int

    def get_input_dim(self) -> int:
        """Width of the hidden states."""
        return self.input_dim

    def get_output_dim(self) -> int:
        """Number of words."""
        return self.output_dim

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Score every word for every hidden state."""
        raise NotImplementedError(f"{type(self).__name__} does not implement forward")

    if TYPE_CHECKING:
        __call__ = forward
