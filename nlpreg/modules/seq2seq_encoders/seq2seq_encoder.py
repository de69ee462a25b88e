"""The base of everything that turns a sequence of vectors into another of the same length."""

import torch
from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.modules.encoder_base import EncoderBase

StepState = dict[str, Tensor]
"""The state of an encoder after some words: name -> tensor, with rows as the first dimension."""


class Seq2SeqEncoder(EncoderBase, Registrable):
    """Turns a sequence of vectors into a sequence of vectors of the same length.

    Args:
        stateful: whether the state after a batch is the initial state of the next.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool, true for words -> (B, T, output_dim).
    """

    _is_bidirectional: bool | None = None

    num_layers: int = 1
    """Number of layers. Encoders that take `return_all_layers` return a list of their outputs, the last layer's last."""

    max_length: int | None = None
    """The maximum number of words of a text; None if unlimited."""

    def is_bidirectional(self) -> bool:
        """Whether the first half of each output belongs to the forward direction and the second to the backward one."""
        if self._is_bidirectional is None:
            raise NotImplementedError(f"{type(self).__name__} has no is_bidirectional")
        return self._is_bidirectional

    def step(self, inputs: Tensor, mask: Tensor, state: StepState | None = None) -> tuple[Tensor, StepState]:
        """Encode the next words of texts incrementally, for generation.

        For encoders whose output at a word does not depend on later words. This implementation keeps the inputs and runs
        `forward` over all of them, so the cost of a step is proportional to the length of the text so far; encoders with a
        cheaper step override it.

        Args:
            inputs: the next words of each text, (B, T, input_dim).
            mask: which of them are words, which come first in each row, (B, T) bool. A row may have none.
            state: the state that the previous step returned; None at the start of the texts. It must not be reused.

        Returns:
            Outputs of the last layer for the next words (B, T, output_dim), and the new state. Rows of the state may be
            selected, repeated and reordered between steps.
        """
        mask = mask.bool()
        start = mask.new_zeros(len(mask), dtype=torch.long) if state is None else state["lengths"]
        # The next words of a row come right after its earlier words, whatever the lengths of the other rows.
        positions = start.unsqueeze(1) + torch.arange(mask.size(1), device=mask.device)  # (B, T)
        lengths = start + mask.sum(1)
        num_steps = max(int(lengths.max()), 1) if len(lengths) else 0
        history = inputs if state is None else append_words(state["inputs"], inputs, positions)
        history = history[:, :num_steps]
        outputs = self(history, torch.arange(history.size(1), device=mask.device) < lengths.unsqueeze(1))
        if isinstance(outputs, list):
            outputs = outputs[-1]
        # Positions of padding may lie after the last word.
        index = positions.clamp(max=max(history.size(1) - 1, 0)).unsqueeze(-1)
        outputs = outputs.gather(1, index.expand(-1, -1, outputs.size(2))).masked_fill(~mask.unsqueeze(-1), 0)
        return outputs, {"inputs": history, "lengths": lengths}


def append_words(before: Tensor, following: Tensor, positions: Tensor) -> Tensor:
    """Append the next words (B, T, ...) to the words so far (B, S, ...), at their positions (B, T): (B, S + T, ...)."""
    room = before.new_zeros(following.shape)
    index = positions.view(*positions.shape, *[1] * (following.dim() - 2)).expand_as(following)
    return torch.cat([before, room], dim=1).scatter(1, index, following)
