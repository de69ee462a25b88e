"""The pooling layer of a pretrained transformer."""

import copy
from typing import Any

import torch
from torch import nn

from nlpreg.common import cached_transformers
from nlpreg.common.checks import ConfigurationError, Probability
from nlpreg.modules.seq2vec_encoders.seq2vec_encoder import Seq2VecEncoder
from nlpreg.modules.time_distributed import TimeDistributed


@Seq2VecEncoder.register("bert_pooler")
class BertPooler(Seq2VecEncoder):
    """A copy of the pooling layer of a pretrained transformer, applied to the first token.

    Args:
        pretrained_model: name or folder of the transformer.
        override_weights_file: file of weights to use instead of the pretrained ones.
        override_weights_strip_prefix: prefix to remove from the names in that file.
        load_weights: whether to load weights; if false, the layer is built from the model's configuration only.
        requires_grad: whether the layer is trained.
        dropout: dropout probability of the pooled vector, from 0 to 1.
        transformer_kwargs: further arguments for loading the transformer.

    Shape:
        tokens (B, T, hidden) -> (B, hidden).

    Raises:
        ConfigurationError: the transformer has no pooling layer.
    """

    def __init__(
        self,
        pretrained_model: str,
        *,
        override_weights_file: str | None = None,
        override_weights_strip_prefix: str | None = None,
        load_weights: bool = True,
        requires_grad: bool = True,
        dropout: Probability = 0.0,
        transformer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        transformer = cached_transformers.get(
            pretrained_model,
            make_copy=False,
            override_weights_file=override_weights_file,
            override_weights_strip_prefix=override_weights_strip_prefix,
            load_weights=load_weights,
            **(transformer_kwargs or {}),
        )
        pooler = getattr(transformer, "pooler", None)
        if pooler is None:
            raise ConfigurationError(
                f"bert_pooler: expected a transformer with a pooler, {pretrained_model} has none"
            )
        self._dropout = nn.Dropout(p=dropout)
        self.pooler = copy.deepcopy(pooler).requires_grad_(requires_grad)
        self._input_dim = self._output_dim = int(self.pooler.dense.out_features)

    def forward(
        self, tokens: torch.Tensor, mask: torch.Tensor | None = None, num_wrapping_dims: int = 0
    ) -> torch.Tensor:
        """Pool a batch.

        Args:
            tokens: (B, T, hidden), with `num_wrapping_dims` more dimensions after the batch.
            mask: not used, since only the first token is pooled.
            num_wrapping_dims: number of dimensions between the batch and the tokens.
        """
        if not tokens.numel():
            return tokens.new_zeros(*tokens.shape[:-2], self.get_output_dim())
        pooler = self.pooler
        for _ in range(num_wrapping_dims):
            pooler = TimeDistributed(pooler)
        pooled: torch.Tensor = self._dropout(pooler(tokens))
        return pooled
