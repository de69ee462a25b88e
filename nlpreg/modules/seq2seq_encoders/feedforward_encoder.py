"""A feed-forward network at each position."""

from torch import Tensor

from nlpreg.modules.feedforward import FeedForward
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder


@Seq2SeqEncoder.register("feedforward")
class FeedForwardEncoder(Seq2SeqEncoder):
    """Applies one feed-forward network to every position by itself.

    Args:
        feedforward: the network.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool or None -> (B, T, output_dim), zeros at padding.
    """

    def __init__(self, feedforward: FeedForward) -> None:
        super().__init__()
        self._feedforward = feedforward

    def get_input_dim(self) -> int:
        """Width of each input vector."""
        return self._feedforward.get_input_dim()

    def get_output_dim(self) -> int:
        """Width of each output vector."""
        return self._feedforward.get_output_dim()

    def is_bidirectional(self) -> bool:
        """False."""
        return False

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode a batch."""
        # (B, T, output_dim)
        outputs: Tensor = self._feedforward(inputs)
        return outputs if mask is None else outputs.masked_fill(~mask.bool().unsqueeze(-1), 0)
