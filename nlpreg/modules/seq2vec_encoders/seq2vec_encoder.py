"""The base class of encoders of sequences of vectors into one vector."""

from nlpreg.common import Registrable
from nlpreg.modules.encoder_base import EncoderBase


class Seq2VecEncoder(EncoderBase, Registrable):
    """Turns a sequence of vectors into one vector.

    Args:
        stateful: whether the state after a batch is the initial state of the next; no encoder of this package uses it.

    Shape:
        tokens (B, T, input_dim), mask (B, T) bool, true for words -> (B, output_dim).
    """

    def padding_reach(self) -> int | None:
        """The number of padding steps after a sequence that influence its vector; None if unknown.

        Callers may remove or append padding beyond this number.
        """
        return None
