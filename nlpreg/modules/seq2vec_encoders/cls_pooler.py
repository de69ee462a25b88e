"""The vector of one special token."""

import torch

from nlpreg.common.checks import PositiveInt
from nlpreg.modules.seq2vec_encoders.seq2vec_encoder import Seq2VecEncoder
from nlpreg.nn.util import get_final_encoder_states


@Seq2VecEncoder.register("cls_pooler")
class ClsPooler(Seq2VecEncoder):
    """Takes the vector of the token that represents the whole sequence.

    Args:
        embedding_dim: width of the vectors.
        cls_is_last_token: whether this token is the last one rather than the first.

    Shape:
        tokens (B, T, embedding_dim), mask (B, T) bool -> (B, embedding_dim), zeros for rows that are
        all padding.

    Raises:
        ValueError: in `forward`, when the last token is wanted and there is no mask.
    """

    def __init__(self, embedding_dim: PositiveInt, cls_is_last_token: bool = False) -> None:
        super().__init__()
        self._input_dim = self._output_dim = embedding_dim
        self._cls_is_last_token = cls_is_last_token

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Pick the vectors of a batch."""
        if not self._cls_is_last_token:
            pooled = tokens[:, 0] if tokens.size(1) else tokens.new_zeros(len(tokens), tokens.size(2))
        elif mask is None:
            raise ValueError("cls_pooler: a mask is needed to find the last token")
        else:
            # (B, embedding_dim)
            pooled = get_final_encoder_states(tokens, mask)
        return pooled if mask is None else pooled.masked_fill(~mask.bool().any(dim=1, keepdim=True), 0)
