"""An encoder that returns its inputs."""

from torch import Tensor

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder


@Seq2SeqEncoder.register("pass_through")
class PassThroughEncoder(Seq2SeqEncoder):
    """Returns its inputs, for models that require an encoder.

    Args:
        input_dim: width of the vectors.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool or None -> the inputs, zeros at padding.
    """

    _is_bidirectional = False

    def __init__(self, input_dim: PositiveInt) -> None:
        super().__init__()
        self._input_dim = self._output_dim = input_dim

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the inputs."""
        return inputs if mask is None else inputs.masked_fill(~mask.bool().unsqueeze(-1), 0)
