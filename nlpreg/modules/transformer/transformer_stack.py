"""A stack of transformer layers, and the pooler of its output."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from nlpreg.common import FromParams
from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.modules.transformer.transformer_layer import ActivationLayer, TransformerLayer, layer_sizes
from nlpreg.modules.transformer.transformer_module import TransformerModule

# B rows, T steps, D width of the vectors


@dataclass
class TransformerStackOutput:
    """Output of a transformer stack.

    Args:
        final_hidden_states: (B, T, D).
        all_hidden_states: the embeddings and the output of each layer, (B, T, D) each; None unless requested.
        all_self_attentions: (B, heads, T, T) of each layer; None unless requested.
        all_cross_attentions: (B, heads, T, S) of each layer; None unless requested and the layers have cross-attention.
    """

    final_hidden_states: Tensor
    all_hidden_states: tuple[Tensor, ...] | None = None
    all_self_attentions: tuple[Tensor | None, ...] | None = None
    all_cross_attentions: tuple[Tensor | None, ...] | None = None


class TransformerStack(TransformerModule, FromParams):
    """A stack of transformer layers.

    Args:
        num_hidden_layers: number of layers.
        layer: a layer that is copied `num_hidden_layers` times; if None, layers are built from the arguments below.
        hidden_size: width D of the vectors.
        intermediate_size: hidden dimension of the feed-forward blocks.
        num_attention_heads: number of heads, which divides `hidden_size`.
        attention_dropout: dropout probability of the attention weights, from 0 to 1.
        hidden_dropout: dropout probability of the output of each block, from 0 to 1.
        activation: name of the activation of the feed-forward blocks, or a module.
        add_cross_attention: whether the layers also attend to the states of an encoder.

    Shape:
        hidden_states (B, T, D), attention_mask (B, T) -> `TransformerStackOutput`.

    Raises:
        ConfigurationError: neither `layer` nor all three sizes are given.
    """

    _pretrained_mapping: ClassVar[dict[str, str]] = {"layer": "layers"}
    _pretrained_relevant_module: ClassVar[tuple[str, ...]] = ("encoder", "bert.encoder", "roberta.encoder")

    def __init__(
        self,
        num_hidden_layers: PositiveInt,
        layer: TransformerLayer | None = None,
        hidden_size: PositiveInt | None = None,
        intermediate_size: PositiveInt | None = None,
        num_attention_heads: PositiveInt | None = None,
        attention_dropout: Probability = 0.1,
        hidden_dropout: Probability = 0.1,
        activation: str | nn.Module = "relu",
        add_cross_attention: bool = False,
    ) -> None:
        super().__init__()
        if layer is None:
            if hidden_size is None or intermediate_size is None or num_attention_heads is None:
                raise ConfigurationError(
                    "TransformerStack: expected a layer, or hidden_size, intermediate_size and num_attention_heads"
                )
            layer = TransformerLayer(
                hidden_size,
                intermediate_size,
                num_attention_heads,
                attention_dropout,
                hidden_dropout,
                activation,
                add_cross_attention,
            )
        self.layers = nn.ModuleList([layer, *(copy.deepcopy(layer) for _ in range(num_hidden_layers - 1))])

    @classmethod
    def _from_config(cls, config: Any, **kwargs: Any) -> "TransformerStack":
        return cls(**{"num_hidden_layers": config.num_hidden_layers, **layer_sizes(config), **kwargs})

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> TransformerStackOutput:
        """Apply the layers."""
        states = [hidden_states]
        self_attentions, cross_attentions = [], []
        for layer in self.layers:
            output = layer(
                states[-1], attention_mask, encoder_hidden_states, encoder_attention_mask, output_attentions
            )
            states.append(output.hidden_states)
            self_attentions.append(output.self_attention_probs)
            cross_attentions.append(output.cross_attention_probs)
        return TransformerStackOutput(
            states[-1],
            tuple(states) if output_hidden_states else None,
            tuple(self_attentions) if output_attentions else None,
            tuple(cross_attentions) if output_attentions and encoder_hidden_states is not None else None,
        )


class TransformerPooler(ActivationLayer):
    """A linear layer and an activation, applied to the state of the first token.

    Args:
        hidden_size: width of the inputs.
        intermediate_size: width of the outputs.
        activation: name of an activation, or a module.

    Shape:
        (B, T, hidden_size) -> (B, intermediate_size).
    """

    _pretrained_relevant_module: ClassVar[tuple[str, ...]] = ("pooler", "bert.pooler", "roberta.pooler")

    def __init__(
        self, hidden_size: PositiveInt, intermediate_size: PositiveInt, activation: str | nn.Module = "relu"
    ) -> None:
        super().__init__(hidden_size, intermediate_size, activation, pool=True)

    @classmethod
    def _from_config(cls, config: Any, **kwargs: Any) -> "TransformerPooler":
        sizes = {
            "hidden_size": config.hidden_size,
            "intermediate_size": config.hidden_size,
            "activation": "tanh",
        }
        return cls(**{**sizes, **kwargs})
