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

    _is_bidirectional = False

    def __init__(self, feedforward: FeedForward) -> None:
        super().__init__()
        self._feedforward = feedforward
        self._input_dim, self._output_dim = feedforward.get_input_dim(), feedforward.get_output_dim()

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode a batch."""
        # (B, T, output_dim)
        outputs: Tensor = self._feedforward(inputs)
        return outputs if mask is None else outputs.masked_fill(~mask.bool().unsqueeze(-1), 0)
