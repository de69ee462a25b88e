"""torch's transformer as an encoder."""

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationValueError, PositiveInt, Probability
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder
from nlpreg.nn.util import add_positional_features


@Seq2SeqEncoder.register("pytorch_transformer")
class PytorchTransformer(Seq2SeqEncoder):
    """A stack of post-norm transformer layers.

    Args:
        input_dim: width of the inputs and of the outputs.
        num_layers: number of layers.
        feedforward_hidden_dim: width inside the feed-forward parts.
        num_attention_heads: number of heads, which divides `input_dim`.
        positional_encoding: `sinusoidal`, `embedding` for a learned vector for each position, or None.
        positional_embedding_size: number of positions that have a learned vector.
        dropout_prob: dropout probability in each part of a layer, from 0 to 1.
        activation: `relu` or `gelu`, inside the feed-forward parts.
        causal: whether a position attends only to itself and earlier ones, as required for a language model.
        return_all_layers: whether to return a list of the outputs of every layer rather than those of the last.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool, true for words, which come first in each row
        -> (B, T, input_dim), zeros at padding; or a list of these, one for each layer.

    Raises:
        ValueError: another `positional_encoding`, or a number of heads that does not divide `input_dim`; in `forward`, a
            sequence with more positions than have a learned vector.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762
    """

    _is_bidirectional = False

    def __init__(
        self,
        input_dim: PositiveInt,
        num_layers: PositiveInt,
        feedforward_hidden_dim: PositiveInt = 2048,
        num_attention_heads: PositiveInt = 8,
        positional_encoding: str | None = None,
        positional_embedding_size: PositiveInt = 512,
        dropout_prob: Probability = 0.1,
        activation: str = "relu",
        causal: bool = False,
        return_all_layers: bool = False,
    ) -> None:
        super().__init__()
        if positional_encoding not in (None, "sinusoidal", "embedding"):
            raise ValueError(
                f"positional_encoding: expected 'sinusoidal', 'embedding' or None, got {positional_encoding!r}"
            )
        if input_dim % num_attention_heads:
            raise ConfigurationValueError(
                f"num_attention_heads: expected a divisor of input_dim, {input_dim}, got {num_attention_heads}"
            )
        self._input_dim = self._output_dim = input_dim
        self._causal = causal
        self.num_layers = num_layers
        self.return_all_layers = return_all_layers
        layer = nn.TransformerEncoderLayer(
            d_model=input_dim,
            nhead=num_attention_heads,
            dim_feedforward=feedforward_hidden_dim,
            dropout=dropout_prob,
            activation=activation,
            batch_first=True,
        )
        # Nested tensors would truncate the outputs to the longest row.
        self._transformer = nn.TransformerEncoder(layer, num_layers, enable_nested_tensor=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self._sinusoidal_positional_encoding = positional_encoding == "sinusoidal"
        self.max_length = positional_embedding_size if positional_encoding == "embedding" else None
        self._positional_embedding = nn.Embedding(self.max_length, input_dim) if self.max_length else None

    def forward(self, inputs: Tensor, mask: Tensor | None) -> Tensor | list[Tensor]:
        """Encode a batch."""
        num_steps = inputs.size(1)
        if not num_steps:
            return [inputs] * self.num_layers if self.return_all_layers else inputs
        if mask is not None:
            mask = mask.bool()
        if self._sinusoidal_positional_encoding:
            inputs = add_positional_features(inputs)
        if self._positional_embedding is not None:
            if num_steps > self._positional_embedding.num_embeddings:
                raise ConfigurationValueError(
                    f"positional_embedding_size: {self._positional_embedding.num_embeddings} positions have a vector, and "
                    f"the longest sequence of a batch has {num_steps}; raise it, or cut the text"
                )
            inputs = inputs + self._positional_embedding.weight[:num_steps]
        is_later = hidden = None
        if self._causal:
            # Padding comes last, so no word attends to it.
            # (T, T), true where a row must not attend to a column
            is_later = torch.ones(num_steps, num_steps, dtype=torch.bool, device=inputs.device).triu(1)
        elif mask is not None:
            # A row of only padding attends to all positions: attending to nothing would give NaN.
            hidden = ~mask & mask.any(dim=1, keepdim=True)  # (B, T)
        layers: list[Tensor] = []
        for layer in self._transformer.layers:
            inputs = layer(inputs, is_later, hidden, is_causal=self._causal)
            layers.append(inputs)
        if not self.return_all_layers:
            layers = layers[-1:]
        if mask is not None:
            layers = [layer.masked_fill(~mask.unsqueeze(-1), 0) for layer in layers]
        return layers if self.return_all_layers else layers[-1]
