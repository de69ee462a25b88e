"""The base of everything that turns a sequence of vectors into another of the same length."""

import torch
from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.modules.encoder_base import _EncoderBase

StepState = dict[str, Tensor]
"""The state of an encoder after some words: name -> tensor, with rows as the first dimension."""


class Seq2SeqEncoder(_EncoderBase, Registrable):
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
        lengths = mask.sum(1)
        if state is None:
            start, history = torch.zeros_like(lengths), inputs
        else:
            start, history = state["lengths"], state["inputs"]
            history = torch.cat([history, history.new_zeros(inputs.shape)], dim=1)
        # The next words of a row come right after its earlier words, whatever the lengths of the other rows.
        places = start.unsqueeze(1) + torch.arange(inputs.size(1), device=inputs.device)  # (B, T)
        if state is not None:
            history = history.scatter(1, places.unsqueeze(-1).expand_as(inputs), inputs)
        lengths = start + lengths
        history = history[:, : int(lengths.max()) if len(lengths) else 0]
        history_mask = torch.arange(history.size(1), device=inputs.device) < lengths.unsqueeze(1)
        outputs = self(history, history_mask)
        if isinstance(outputs, list):
            outputs = outputs[-1]
        places = places.clamp(max=max(history.size(1) - 1, 0)).unsqueeze(-1)
        outputs = (
            outputs.gather(1, places.expand(-1, -1, outputs.size(2)))
            if history.size(1)
            else outputs.new_zeros(*inputs.shape[:2], self.get_output_dim())
        )
        outputs = outputs.masked_fill(~mask.unsqueeze(-1), 0)
        return outputs, {"inputs": history, "lengths": lengths}
