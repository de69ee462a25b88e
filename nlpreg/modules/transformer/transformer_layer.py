"""A post-norm transformer layer: attention and a feed-forward block, each with a residual connection and layer
normalization."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from nlpreg.common import FromParams
from nlpreg.common.checks import PositiveInt, Probability
from nlpreg.modules.transformer.attention_module import AttentionOutput, SelfAttention
from nlpreg.modules.transformer.transformer_module import LayerNorm, TransformerModule
from nlpreg.nn import Activation

# B rows, T steps, D width of the vectors


class ActivationLayer(TransformerModule, FromParams):
    """A linear layer followed by an activation.

    Args:
        hidden_size: width of the inputs.
        intermediate_size: width of the outputs.
        activation: name of an activation, or a module.
        pool: whether to take the vector of the first token alone.

    Shape:
        (B, T, hidden_size) -> (B, T, intermediate_size), or (B, intermediate_size) if `pool`.
    """

    def __init__(
        self,
        hidden_size: PositiveInt,
        intermediate_size: PositiveInt,
        activation: str | nn.Module,
        pool: bool = False,
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, intermediate_size)
        self.act_fn = Activation.by_name(activation)() if isinstance(activation, str) else activation
        self.pool = pool

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Apply the linear layer and the activation."""
        if self.pool:
            hidden_states = hidden_states[:, 0]
        output: Tensor = self.act_fn(self.dense(hidden_states))
        return output


class OutputLayer(TransformerModule, FromParams):
    """The end of an attention or feed-forward block: linear layer, dropout, residual connection, layer normalization.

    Args:
        input_size: width of the inputs.
        hidden_size: width D of the outputs.
        dropout: dropout probability, from 0 to 1.

    Shape:
        hidden_states (B, T, input_size), input_tensor (B, T, D) -> (B, T, D).
    """

    _pretrained_mapping: ClassVar[dict[str, str]] = {"LayerNorm": "layer_norm"}

    def __init__(self, input_size: PositiveInt, hidden_size: PositiveInt, dropout: Probability) -> None:
        super().__init__()
        self.dense = nn.Linear(input_size, hidden_size)
        self.layer_norm = LayerNorm(hidden_size, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
        """Apply the linear layer and dropout, add `input_tensor`, and normalize."""
        output: Tensor = self.layer_norm(self.dropout(self.dense(hidden_states)) + input_tensor)
        return output


class AttentionLayer(TransformerModule, FromParams):
    """Attention with output projection, residual connection and layer normalization.

    Args:
        hidden_size: width D of the vectors.
        num_attention_heads: number of heads, which divides `hidden_size`.
        attention_dropout: dropout probability of the attention weights, from 0 to 1.
        hidden_dropout: dropout probability of the output, from 0 to 1.
        is_cross_attention: whether keys and values are computed from the states of an encoder.

    Shape:
        as in `SelfAttention`.
    """

    _pretrained_relevant_module: ClassVar[tuple[str, ...]] = (
        "encoder.layer.0.attention",
        "bert.encoder.layer.0.attention",
    )

    def __init__(
        self,
        hidden_size: PositiveInt,
        num_attention_heads: PositiveInt,
        attention_dropout: Probability = 0.0,
        hidden_dropout: Probability = 0.0,
        is_cross_attention: bool = False,
    ) -> None:
        super().__init__()
        self.self = SelfAttention(
            hidden_size, num_attention_heads, attention_dropout, is_cross_attention=is_cross_attention
        )
        self.output = OutputLayer(hidden_size, hidden_size, hidden_dropout)

    @classmethod
    def _from_config(cls, config: Any, **kwargs: Any) -> "AttentionLayer":
        sizes = {
            "hidden_size": config.hidden_size,
            "num_attention_heads": config.num_attention_heads,
            "attention_dropout": config.attention_probs_dropout_prob,
            "hidden_dropout": config.hidden_dropout_prob,
        }
        return cls(**{**sizes, **kwargs})

    def forward(
        self,
        input_tensor: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        output_attentions: bool = False,
    ) -> AttentionOutput:
        """Attend to the sequence itself, or to `encoder_hidden_states` (B, S, D) if given."""
        attended: AttentionOutput = self.self(
            input_tensor, attention_mask, encoder_hidden_states, encoder_attention_mask, output_attentions
        )
        output = self.output(attended.hidden_states, input_tensor)
        return AttentionOutput(output, attended.attention_probs)


@dataclass
class TransformerLayerOutput:
    """Output of a transformer layer.

    Args:
        hidden_states: (B, T, D).
        self_attention_probs: (B, heads, T, T); None unless requested.
        cross_attention_probs: (B, heads, T, S); None unless requested and the layer has cross-attention.
    """

    hidden_states: Tensor
    self_attention_probs: Tensor | None = None
    cross_attention_probs: Tensor | None = None


class TransformerLayer(TransformerModule, FromParams):
    """An encoder layer, or with cross-attention a decoder layer.

    Args:
        hidden_size: width D of the vectors.
        intermediate_size: hidden dimension of the feed-forward block.
        num_attention_heads: number of heads, which divides `hidden_size`.
        attention_dropout: dropout probability of the attention weights, from 0 to 1.
        hidden_dropout: dropout probability of the output of each block, from 0 to 1.
        activation: name of the activation of the feed-forward block, or a module.
        add_cross_attention: whether the layer also attends to the states of an encoder.

    Shape:
        hidden_states (B, T, D), attention_mask (B, T) -> `TransformerLayerOutput`.
    """

    _pretrained_relevant_module: ClassVar[tuple[str, ...]] = ("encoder.layer.0", "bert.encoder.layer.0")

    def __init__(
        self,
        hidden_size: PositiveInt,
        intermediate_size: PositiveInt,
        num_attention_heads: PositiveInt,
        attention_dropout: Probability = 0.0,
        hidden_dropout: Probability = 0.0,
        activation: str | nn.Module = "relu",
        add_cross_attention: bool = False,
    ) -> None:
        super().__init__()
        dropouts = (attention_dropout, hidden_dropout)
        self.attention = AttentionLayer(hidden_size, num_attention_heads, *dropouts)
        self.cross_attention = (
            AttentionLayer(hidden_size, num_attention_heads, *dropouts, is_cross_attention=True)
            if add_cross_attention
            else None
        )
        self.intermediate = ActivationLayer(hidden_size, intermediate_size, activation)
        self.output = OutputLayer(intermediate_size, hidden_size, hidden_dropout)

    @classmethod
    def _from_config(cls, config: Any, **kwargs: Any) -> "TransformerLayer":
        return cls(**{**layer_sizes(config), **kwargs})

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        output_attentions: bool = False,
    ) -> TransformerLayerOutput:
        """Apply the layer; `encoder_hidden_states` (B, S, D) are required for cross-attention."""
        attended: AttentionOutput = self.attention(
            hidden_states, attention_mask, output_attentions=output_attentions
        )
        self_probs, cross_probs = attended.attention_probs, None
        if encoder_hidden_states is not None:
            assert self.cross_attention is not None, "encoder_hidden_states require add_cross_attention"
            attended = self.cross_attention(
                attended.hidden_states,
                attention_mask,
                encoder_hidden_states,
                encoder_attention_mask,
                output_attentions,
            )
            cross_probs = attended.attention_probs
        states = attended.hidden_states
        return TransformerLayerOutput(self.output(self.intermediate(states), states), self_probs, cross_probs)


def layer_sizes(config: Any) -> dict[str, Any]:
    """The constructor arguments of a `TransformerLayer` that match the configuration of a pretrained model.

    Args:
        config: a `transformers.PretrainedConfig`.
    """
    return {
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_attention_heads": config.num_attention_heads,
        "attention_dropout": config.attention_probs_dropout_prob,
        "hidden_dropout": config.hidden_dropout_prob,
        "activation": config.hidden_act,
    }
