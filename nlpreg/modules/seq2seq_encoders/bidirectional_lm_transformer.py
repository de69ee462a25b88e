"""Two transformers, one for each direction, as the encoder of a bidirectional language model."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.modules.layer_norm import LayerNorm
from nlpreg.modules.recurrence import reversed_positions
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder
from nlpreg.modules.util import replicate_layers
from nlpreg.nn.cpu_layers import Dropout, dropout
from nlpreg.nn.util import min_value_of_dtype

# B rows, T steps, N words of all rows, D width of the vectors, F width inside the feed-forward parts


class Words:
    """The positions of the words of a padded batch, so that layers compute nothing at padding.

    On a GPU, where finding them would make the host wait, and under `torch.compile`, padding counts as words.

    Args:
        mask: (B, T) bool, true for words, which come first in each row.
        places: (N,) position of each word among the B * T; None for all of them, in order.
    """

    def __init__(self, mask: Tensor, places: Tensor | None) -> None:
        self._shape = mask.shape
        self._places = places

    @classmethod
    def of(cls, mask: Tensor) -> "Words":
        """The words of a batch in their order."""
        if mask.device.type != "cpu" or torch.compiler.is_compiling():
            return cls(mask, None)
        places = mask.flatten().nonzero().squeeze(1)
        return cls(mask, None if len(places) == mask.numel() else places)

    def reversed(self, mask: Tensor) -> "Words":
        """The words with every row reversed; padding stays at the end."""
        places = reversed_positions(mask.sum(dim=1), mask.size(1))
        if self._places is not None:
            places = places.index_select(0, self._places)
        return Words(mask, places)

    def take(self, padded: Tensor) -> Tensor:
        """(B, T, D) -> (N, D)."""
        flat = padded.flatten(0, 1)
        return flat if self._places is None else flat.index_select(0, self._places)

    def put(self, words: Tensor) -> Tensor:
        """(N, D) -> (B, T, D), zeros at padding where that is not among the words."""
        if self._places is not None:
            padded = words.new_zeros(self._shape[0] * self._shape[1], words.size(1))
            words = padded.index_copy(0, self._places, words)
        return words.view(*self._shape, words.size(1))

    def put_padded(self, words: Tensor, mask: Tensor) -> Tensor:
        """`put`, with zeros at all padding of the mask (B, T)."""
        padded = self.put(words)
        if mask.device.type == "cpu" and not torch.compiler.is_compiling():
            return padded  # padding was not among the words
        return padded.masked_fill(~mask.unsqueeze(2), 0)


@Seq2SeqEncoder.register("bidirectional_language_model_transformer")
class BidirectionalLanguageModelTransformer(Seq2SeqEncoder):
    """Two transformers: one over the words up to each position, one over the words from it on.

    Args:
        input_dim: width of the inputs, a multiple of 8, the number of heads.
        hidden_dim: width inside the feed-forward parts.
        num_layers: number of layers of each direction.
        dropout: dropout probability of the attention weights and of the output of each part of a layer, from 0 to 1.
        input_dropout: the same for the inputs with their positions; None for no dropout.
        return_all_layers: whether to return the outputs of every layer rather than those of the last.

    Shape:
        token_embeddings (B, T, input_dim), T at most 5000; mask (B, T) bool, true for words, which come first in each
        row -> (B, T, 2 * input_dim), forward half first, zeros at padding; or a list of these, one for each
        layer, of which the last alone is normalised.

    Raises:
        ConfigurationError: in `forward`, a text of more words than there are positions.

    Source: Peters et al. (2018), https://arxiv.org/abs/1808.08949
    """

    _is_bidirectional = True

    def __init__(
        self,
        input_dim: PositiveInt,
        hidden_dim: PositiveInt,
        num_layers: PositiveInt,
        dropout: Probability = 0.1,
        input_dropout: Probability | None = None,
        return_all_layers: bool = False,
    ) -> None:
        super().__init__()
        self._return_all_layers = return_all_layers
        self.transformer_layers = num_layers
        self.num_layers = num_layers
        self.input_dim = self._input_dim = input_dim
        self.output_dim = self._output_dim = 2 * input_dim
        self._dropout = Dropout(input_dropout) if input_dropout else None
        self._position = PositionalEncoding(input_dim)
        self.max_length: int = self._position.positional_encoding.size(1)
        self._forward_transformer, self._backward_transformer = (
            make_model(
                num_layers, input_dim, hidden_dim, dropout=dropout, return_all_layers=return_all_layers
            )
            for _ in range(2)
        )

    def get_regularization_penalty(self) -> float:
        """Return zero: nothing is penalised."""
        return 0.0

    def get_attention_masks(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Which positions (columns) each position (rows) may attend to, in each direction.

        Args:
            mask: (B, T) bool.

        Returns:
            forward (B, T, T) bool, and backward, which is its transpose.
        """
        # (B, T, T)
        forward = mask.unsqueeze(2) & subsequent_mask(mask.size(1), mask.device)
        return forward, forward.transpose(1, 2)

    def forward(self, token_embeddings: Tensor, mask: Tensor) -> Tensor | list[Tensor]:
        """Encode a batch."""
        if token_embeddings.size(1) > self.max_length:
            raise ConfigurationError(
                f"contextualizer: there are {self.max_length} positions, but a text of {token_embeddings.size(1)} words; "
                "nlpreg score reads long texts in parts; for training, set dataset_reader.max_sequence_length"
            )
        mask = mask.bool()
        words = Words.of(mask)
        # (N, D)
        inputs = words.take(self._position(token_embeddings))
        if self._dropout is not None:
            inputs = self._dropout(inputs)
        # Padding comes last, also in reversed rows, so that a causal mask suffices in both directions.
        ahead = self._forward_transformer(inputs, words)
        back = self._backward_transformer(inputs, words.reversed(mask))
        if self._return_all_layers:
            return [words.put_padded(torch.cat(pair, dim=-1), mask) for pair in zip(ahead, back, strict=True)]
        return words.put_padded(torch.cat([ahead, back], dim=-1), mask)


class PositionalEncoding(nn.Module):
    """Adds alternating sines and cosines of the position, of wavelengths from 2 pi to 20000 pi.

    Args:
        input_dim: width D of the vectors, even.
        max_len: number of positions that are prepared.

    Shape:
        (B, T, D) -> (B, T, D).

    Raises:
        ValueError: in `forward`, when T is larger than `max_len`.

    Source: Vaswani et al. (2017), section 3.5, https://arxiv.org/abs/1706.03762
    """

    def __init__(self, input_dim: int, max_len: int = 5000) -> None:
        super().__init__()
        positions = torch.arange(max_len, dtype=torch.float32).unsqueeze(1)  # (max_len, 1)
        frequencies = torch.exp(torch.arange(0, input_dim, 2) * (-math.log(10000.0) / input_dim))  # (D / 2,)
        angles = positions * frequencies
        encoding = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)  # (max_len, D)
        self.positional_encoding: Tensor
        self.register_buffer("positional_encoding", encoding.unsqueeze(0))

    def forward(self, x: Tensor) -> Tensor:
        """Add the positions to a batch."""
        max_len = self.positional_encoding.size(1)
        if x.size(1) > max_len:
            raise ValueError(
                f"PositionalEncoding: expected sequences of at most {max_len} words, got {x.size(1)}"
            )
        return x + self.positional_encoding[:, : x.size(1)]


class PositionwiseFeedForward(nn.Module):
    """Two linear layers with a rectifier and dropout between them.

    Args:
        input_dim: width D of the inputs and outputs.
        ff_dim: width F between the layers.
        dropout: dropout probability between the layers, from 0 to 1.

    Shape:
        (N, D) -> (N, D).
    """

    def __init__(self, input_dim: int, ff_dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.w_1 = nn.Linear(input_dim, ff_dim)
        self.w_2 = nn.Linear(ff_dim, input_dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        output: Tensor = self.w_2(self.dropout(functional.relu(self.w_1(x))))
        return output


class MultiHeadedAttention(nn.Module):
    """Scaled dot-product attention of every position to itself and those before it, by several heads.

    Args:
        num_heads: number of heads, which divides `input_dim`.
        input_dim: width D of the vectors.
        dropout: dropout probability of the attention weights, from 0 to 1.

    Shape:
        x (N, D) -> (N, D).
    """

    def __init__(self, num_heads: int, input_dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        assert input_dim % num_heads == 0, "input_dim must be a multiple of num_heads"
        self.num_heads = num_heads
        self.dropout = dropout
        # Of the queries, keys, values and outputs.
        self.linears = replicate_layers(nn.Linear(input_dim, input_dim), 4)

    def forward(self, x: Tensor, words: Words) -> Tensor:
        """Attend."""
        weight, bias = (
            torch.cat([getattr(linear, name) for linear in self.linears[:3]]) for name in ("weight", "bias")
        )
        projected = words.put(functional.linear(x, weight, bias))  # (B, T, 3 * D)
        heads = projected.view(*projected.shape[:2], 3, self.num_heads, x.size(1) // self.num_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # (B, heads, T, D / heads) each
        attended = self._attend(query, key, value)
        output: Tensor = self.linears[3](words.take(attended.transpose(1, 2).flatten(2)))
        return output

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Weighted means (B, heads, T, D / heads) of the values."""
        dropout_p = self.dropout if self.training else 0.0
        if not dropout_p or query.device.type != "cpu":
            return functional.scaled_dot_product_attention(
                query, key, value, dropout_p=dropout_p, is_causal=True
            )
        # torch has no fused kernel for this case, and its fallback has a slow dropout and a check for rows that attend to nothing.
        num_steps = query.size(2)
        hidden = query.new_full((num_steps, num_steps), min_value_of_dtype(query.dtype)).triu(1)
        scores = torch.baddbmm(
            hidden,
            query.flatten(0, 1),
            key.flatten(0, 1).transpose(1, 2),
            alpha=1 / math.sqrt(query.size(3)),
        )  # (B * heads, T, T)
        weights = dropout(scores.softmax(dim=-1), dropout_p)
        return (weights @ value.flatten(0, 1)).view(value.shape)


class SublayerConnection(nn.Module):
    """A residual connection around a part of a layer, whose input is normalised first.

    Args:
        size: width D of the vectors.
        dropout: dropout probability of the part's output, from 0 to 1.
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.norm = LayerNorm(size)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply the part `sublayer` of a layer."""
        output: Tensor = x + self.dropout(sublayer(self.norm(x)))
        return output


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward part, each with its residual connection.

    Args:
        size: width D of the vectors.
        self_attn: the attention.
        feed_forward: the feed-forward part.
        dropout: dropout probability of the output of either, from 0 to 1.

    Shape:
        x (N, D) -> (N, D).
    """

    def __init__(
        self,
        size: int,
        self_attn: MultiHeadedAttention,
        feed_forward: PositionwiseFeedForward,
        dropout: float,
    ) -> None:
        super().__init__()
        self.self_attn = self_attn
        self.feed_forward = feed_forward
        self.sublayer = replicate_layers(SublayerConnection(size, dropout), 2)

    def forward(self, x: Tensor, words: Words) -> Tensor:
        """Apply the layer."""
        around_attention, around_feed_forward = self.sublayer
        attended = around_attention(x, lambda normed: self.self_attn(normed, words))
        output: Tensor = around_feed_forward(attended, self.feed_forward)
        return output


class TransformerEncoder(nn.Module):
    """A stack of layers with a final normalisation.

    Args:
        layer: the layer, of which each gets a copy.
        num_layers: number of layers.
        size: width D of the vectors.
        return_all_layers: whether to return a list of every layer's output, the last one alone normalised.

    Shape:
        x (N, D) -> (N, D), or a list of these.
    """

    def __init__(
        self, layer: EncoderLayer, num_layers: int, size: int, return_all_layers: bool = False
    ) -> None:
        super().__init__()
        self.layers = replicate_layers(layer, num_layers)
        self.norm = LayerNorm(size)
        self.return_all_layers = return_all_layers

    def forward(self, x: Tensor, words: Words) -> Tensor | list[Tensor]:
        """Apply the layers."""
        outputs = []
        for layer in self.layers:
            x = layer(x, words)
            outputs.append(x)
        last: Tensor = self.norm(x)
        return [*outputs[:-1], last] if self.return_all_layers else last


def make_model(
    num_layers: int = 6,
    input_size: int = 512,
    hidden_size: int = 2048,
    heads: int = 8,
    dropout: float = 0.1,
    return_all_layers: bool = False,
) -> TransformerEncoder:
    """A transformer of one direction with Xavier-uniform matrices.

    Args:
        num_layers: number of layers.
        input_size: width D of the vectors.
        hidden_size: width F inside the feed-forward parts.
        heads: number of heads.
        dropout: dropout probability of the attention weights and of the output of each part of a layer, from 0 to 1.
        return_all_layers: see `TransformerEncoder`.
    """
    attention = MultiHeadedAttention(heads, input_size, dropout)
    layer = EncoderLayer(
        input_size, attention, PositionwiseFeedForward(input_size, hidden_size, dropout), dropout
    )
    model = TransformerEncoder(layer, num_layers, input_size, return_all_layers)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    return model


def subsequent_mask(size: int, device: torch.device | str = "cpu") -> Tensor:
    """(1, size, size) bool, true where a position (row) may attend to itself or an earlier one (column)."""
    return torch.ones(1, size, size, dtype=torch.bool, device=device).tril()
