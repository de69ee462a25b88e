"""Multi-head self-attention and cross-attention."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from nlpreg.common import FromParams
from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.modules.transformer.transformer_module import TransformerModule, apply_mask

# B batch size, T query length, S key length, D hidden size


@dataclass
class AttentionOutput:
    """Output of an attention module.

    Args:
        hidden_states: (B, T, D).
        attention_probs: (B, heads, T, S), after dropout; None unless requested.
    """

    hidden_states: Tensor
    attention_probs: Tensor | None = None


class SelfAttention(TransformerModule, FromParams):
    """Multi-head scaled dot-product attention.

    Args:
        hidden_size: width D of the vectors, a multiple of the number of heads.
        num_attention_heads: number of heads.
        dropout: dropout probability of the attention weights, from 0 to 1.
        output_linear: whether to apply an output projection.
        is_cross_attention: whether keys and values are computed from `encoder_hidden_states` instead of `hidden_states`.

    Shape:
        hidden_states (B, T, D), attention_mask (B, T) or broadcastable to (B, heads, T, S) -> `AttentionOutput`.

    Raises:
        ConfigurationError: the number of heads does not divide `hidden_size`.

    Source: Vaswani et al. (2017), section 3.2, https://arxiv.org/abs/1706.03762
    """

    _pretrained_relevant_module: ClassVar[tuple[str, ...]] = (
        "encoder.layer.0.attention.self",
        "bert.encoder.layer.0.attention.self",
        "transformer.layer.0.attention",
    )
    _pretrained_mapping: ClassVar[dict[str, str]] = {
        "q_lin": "query",
        "k_lin": "key",
        "v_lin": "value",
        "out_lin": "output",
    }

    def __init__(
        self,
        hidden_size: PositiveInt,
        num_attention_heads: PositiveInt,
        dropout: Probability = 0.0,
        output_linear: bool = False,
        is_cross_attention: bool = False,
    ) -> None:
        super().__init__()
        if hidden_size % num_attention_heads:
            raise ConfigurationError(
                f"num_attention_heads: expected a divisor of hidden_size, {hidden_size}, got {num_attention_heads}"
            )
        self.num_attention_heads = num_attention_heads
        self.attention_head_size = hidden_size // num_attention_heads
        self.is_cross_attention = is_cross_attention
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size) if output_linear else None
        self.dropout = nn.Dropout(dropout)

    @classmethod
    def _from_config(cls, config: Any, **kwargs: Any) -> "SelfAttention":
        sizes = {
            "hidden_size": config.hidden_size,
            "num_attention_heads": config.num_attention_heads,
            "dropout": getattr(config, "attention_probs_dropout_prob", 0.0),
            "output_linear": config.model_type == "distilbert",
        }
        return cls(**{**sizes, **kwargs})

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        output_attentions: bool = False,
    ) -> AttentionOutput:
        """Attend to the sequence itself, or to `encoder_hidden_states` (B, S, D) if given."""
        source, mask = hidden_states, attention_mask  # what keys and values are computed from
        if encoder_hidden_states is not None:
            source, mask = encoder_hidden_states, encoder_attention_mask
        query, key, value = (
            self._by_head(layer(states))
            for layer, states in ((self.query, hidden_states), (self.key, source), (self.value, source))
        )
        # (B, heads, T, S)
        scores = query @ key.transpose(-1, -2) / math.sqrt(self.attention_head_size)
        if mask is not None:
            scores = apply_mask(scores, mask)
        weights: Tensor = self.dropout(scores.softmax(dim=-1))
        attended = (weights @ value).transpose(1, 2).flatten(2)  # (B, T, D)
        if self.output is not None:
            attended = self.output(attended)
        return AttentionOutput(attended, weights if output_attentions else None)

    def _by_head(self, states: Tensor) -> Tensor:
        """(B, T, D) -> (B, heads, T, D / heads)."""
        by_head = states.view(*states.shape[:2], self.num_attention_heads, self.attention_head_size)
        return by_head.transpose(1, 2)
