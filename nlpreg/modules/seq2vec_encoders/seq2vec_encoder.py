"""The base of everything that turns a sequence of vectors into one vector."""

from nlpreg.common import Registrable
from nlpreg.modules.encoder_base import _EncoderBase

__all__ = ["Seq2VecEncoder"]


class Seq2VecEncoder(_EncoderBase, Registrable):
    """Turns a sequence of vectors into one vector.

    Args:
        stateful: whether the state after a batch is the initial state of the next; no encoder of this package uses it.

    Shape:
        tokens (B, T, input_dim), mask (B, T) bool, true for words -> (B, output_dim).
    """

    def get_input_dim(self) -> int:
        """Width of each input vector."""
        raise NotImplementedError

    def get_output_dim(self) -> int:
        """Width of the output vector."""
        raise NotImplementedError

    def shortest_input(self) -> int | None:
        """The fewest steps that a batch may have, if padding at its end has no influence on the result; else None.

        With a number, callers may cut padding off.
        """
        return None
