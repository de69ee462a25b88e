"""The base of everything that turns a sequence of vectors into one vector."""

from nlpreg.common import Registrable
from nlpreg.modules.encoder_base import _EncoderBase


class Seq2VecEncoder(_EncoderBase, Registrable):
    """Turns a sequence of vectors into one vector.

    Args:
        stateful: whether the state after a batch is the initial state of the next; no encoder of this package uses it.

    Shape:
        tokens (B, T, input_dim), mask (B, T) bool, true for words -> (B, output_dim).
    """

    def padding_reach(self) -> int | None:
        """How many steps of padding after a sequence, all alike, influence its vector; further ones change nothing.

        Callers may cut padding off, or append it, up to this number. None if that is not known.
        """
        return None
