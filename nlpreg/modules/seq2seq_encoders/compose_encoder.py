"""A sequence of encoders."""

import itertools

from torch import Tensor

from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder


@Seq2SeqEncoder.register("compose")
class ComposeEncoder(Seq2SeqEncoder):
    """Applies several encoders, each to the outputs of the one before.

    Args:
        encoders: the encoders, in order.
        return_all_layers: whether to return a list of the outputs of every encoder, or of every layer of encoders with
            `return_all_layers`, rather than the outputs of the last.

    Shape:
        inputs (B, T, input_dim of the first), mask (B, T) bool -> (B, T, output_dim of the last); or a list of the
        outputs of each encoder.

    Raises:
        ValueError: there is no encoder, the widths of consecutive encoders differ, or only some encoders are bidirectional.
    """

    def __init__(self, encoders: list[Seq2SeqEncoder], return_all_layers: bool = False) -> None:
        super().__init__()
        if not encoders:
            raise ValueError("compose: expected at least one encoder, got none")
        for index, (before, after) in enumerate(itertools.pairwise(encoders)):
            if before.get_output_dim() != after.get_input_dim():
                raise ValueError(
                    f"compose: expected the output of encoder {index}, {before.get_output_dim()} wide, to be as wide as "
                    f"the input of encoder {index + 1}, {after.get_input_dim()}"
                )
        directions = [encoder.is_bidirectional() for encoder in encoders]
        if len(set(directions)) > 1:
            raise ValueError(f"compose: expected all encoders to be bidirectional or none, got {directions}")
        self.encoders = encoders
        self._input_dim, self._output_dim = encoders[0].get_input_dim(), encoders[-1].get_output_dim()
        self._is_bidirectional = directions[-1]
        self.num_layers = sum(
            encoder.num_layers if getattr(encoder, "return_all_layers", False) else 1 for encoder in encoders
        )
        limits = (encoder.max_length for encoder in encoders)
        self.max_length = min((limit for limit in limits if limit is not None), default=None)
        self.return_all_layers = return_all_layers
        for index, encoder in enumerate(encoders):
            self.add_module(f"encoder{index}", encoder)

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | list[Tensor]:
        """Encode a batch."""
        layers = []
        for index in range(len(self.encoders)):
            outputs = getattr(self, f"encoder{index}")(inputs, mask)
            layers += outputs if isinstance(outputs, list) else [outputs]
            inputs = layers[-1]
        return layers if self.return_all_layers else inputs
