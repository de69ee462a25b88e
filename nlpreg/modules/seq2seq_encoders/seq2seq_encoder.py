"""The base of everything that turns a sequence of vectors into another of the same length."""

from nlpreg.common import Registrable
from nlpreg.modules.encoder_base import _EncoderBase

__all__ = ["Seq2SeqEncoder"]


class Seq2SeqEncoder(_EncoderBase, Registrable):
    """Turns a sequence of vectors into a sequence of vectors of the same length.

    Args:
        stateful: whether the state after a batch is the initial state of the next.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool, true for words -> (B, T, output_dim).
    """

    def get_input_dim(self) -> int:
        """Width of each input vector."""
        raise NotImplementedError

    def get_output_dim(self) -> int:
        """Width of each output vector, both directions together."""
        raise NotImplementedError

    def is_bidirectional(self) -> bool:
        """Whether the first half of each output belongs to the forward direction and the second to the backward one."""
        raise NotImplementedError
