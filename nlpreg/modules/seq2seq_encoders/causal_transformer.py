"""A decoder-only transformer: the contextualizer of a language model that reads from left to right.

Letters in shapes: B rows, T steps, D width, H heads, K key-value heads, W width of a head, S positions in the cache.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder, StepState
from nlpreg.nn.checkpoint import CheckpointWrapper
from nlpreg.nn.cpu_layers import Dropout
from nlpreg.nn.parallel import DdpAccelerator

# The cache doubles in size from this number of positions on, so that few steps copy it.
_FIRST_CAPACITY = 64


@Seq2SeqEncoder.register("transformer_lm")
class CausalTransformer(Seq2SeqEncoder):
    """A transformer in which every position attends to itself and to earlier positions only.

    Each part of a layer normalises its input (pre-norm) and adds its output to the residual stream, which is normalised
    once more at the end. Matrices are initialised from a normal distribution; those that write into the residual stream
    have a standard deviation smaller by the square root of twice the number of layers, so that the stream's variance does
    not grow with depth.

    Args:
        input_dim: width of the inputs and outputs.
        num_layers: number of layers.
        num_attention_heads: number of heads, which divides `input_dim`.
        num_key_value_heads: number of heads that have keys and values of their own, which divides
            `num_attention_heads`; each serves a group of query heads (grouped-query attention). As many as there are heads
            if None.
        feedforward_hidden_dim: width inside the feed-forward parts; if None, four times `input_dim` for `gelu`, and for
            `swiglu`, which has a third matrix, eight thirds of it, rounded up to a multiple of 8.
        activation: `swiglu`, or `gelu` in the form with the hyperbolic tangent.
        normalization: `rms_norm` or `layer_norm`.
        positions: `rotary` turns queries and keys by an angle that grows with the position; `learned` adds a vector for
            each position to the input.
        max_length: the largest number of positions; required for `learned`. For `rotary`, None for no limit. `nlpreg
            generate` moves its window when it gets there.
        rotary_base: the slowest rotation has a wavelength of almost 2 pi times this number of positions.
        bias: whether linear layers and layer norms have biases.
        dropout: dropout probability of the input, of attention weights and of each part's output.
        initializer_range: standard deviation of the initial matrices.
        checkpoint_wrapper: recomputes the activations of each layer in the backward pass, for less memory.
        return_all_layers: whether to return the outputs of every layer, of which the last alone is normalised.
        ddp_accelerator: gathers and frees the weights of each layer by themselves in a sharded run.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool, true for words, which come first in each row
        -> (B, T, input_dim), zeros at padding; or a list of these, one for each layer.

    Raises:
        ConfigurationError: head counts do not divide, learned positions without `max_length`, or, in `forward`, a
            sequence longer than `max_length`.

    Source: Radford et al. (2019), GPT-2; Su et al. (2021), https://arxiv.org/abs/2104.09864 (rotary positions);
    Shazeer (2020), https://arxiv.org/abs/2002.05202 (SwiGLU); Zhang and Sennrich (2019),
    https://arxiv.org/abs/1910.07467 (RMSNorm); Ainslie et al. (2023), https://arxiv.org/abs/2305.13245 (grouped queries).
    """

    _is_bidirectional = False
    takes_documents = True
    """Whether `forward` accepts the argument `documents`."""

    def __init__(
        self,
        input_dim: PositiveInt,
        num_layers: PositiveInt,
        num_attention_heads: PositiveInt,
        num_key_value_heads: PositiveInt | None = None,
        feedforward_hidden_dim: PositiveInt | None = None,
        activation: Literal["swiglu", "gelu"] = "swiglu",
        normalization: Literal["rms_norm", "layer_norm"] = "rms_norm",
        positions: Literal["rotary", "learned"] = "rotary",
        max_length: PositiveInt | None = None,
        rotary_base: float = 10000.0,
        bias: bool = False,
        dropout: Probability = 0.0,
        initializer_range: float = 0.02,
        checkpoint_wrapper: CheckpointWrapper | None = None,
        return_all_layers: bool = False,
        ddp_accelerator: DdpAccelerator | None = None,
    ) -> None:
        super().__init__()
        num_key_value_heads = num_key_value_heads or num_attention_heads
        _check_heads(input_dim, num_attention_heads, num_key_value_heads, positions)
        if positions == "learned" and max_length is None:
            raise ConfigurationError("max_length: required with learned positions, got none")
        self._input_dim = self._output_dim = input_dim
        self.num_layers = num_layers
        self.max_length = max_length
        self._num_key_value_heads = num_key_value_heads
        self._head_dim = input_dim // num_attention_heads
        self._rotary_base = rotary_base if positions == "rotary" else None
        self._return_all_layers = return_all_layers
        self.position_embedding = (
            nn.Embedding(max_length, input_dim) if positions == "learned" and max_length else None
        )
        self.dropout = Dropout(dropout)
        if feedforward_hidden_dim is None:
            feedforward_hidden_dim = 4 * input_dim if activation == "gelu" else math.ceil(input_dim / 3) * 8

        def norm() -> nn.Module:
            if normalization == "rms_norm":
                return nn.RMSNorm(input_dim, eps=1e-5)
            return nn.LayerNorm(input_dim, eps=1e-5, bias=bias)

        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            attention = CausalSelfAttention(
                input_dim, num_attention_heads, num_key_value_heads, bias, dropout
            )
            feedforward = GatedFeedForward(input_dim, feedforward_hidden_dim, activation, bias)
            layer: Any = CausalTransformerLayer(norm(), attention, norm(), feedforward, dropout)
            if checkpoint_wrapper is not None:
                layer = checkpoint_wrapper.wrap_module(layer)
            if ddp_accelerator is not None:
                layer = ddp_accelerator.wrap_module(layer)
            self.layers.append(layer)
        self.final_norm = norm()
        self._initialize(initializer_range)

    def _initialize(self, std: float) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                # Each layer adds to the residual stream twice.
                writes = getattr(module, "writes_to_residual_stream", False)
                nn.init.normal_(module.weight, std=std / math.sqrt(2 * self.num_layers) if writes else std)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(
        self, inputs: Tensor, mask: Tensor | None, documents: Tensor | None = None
    ) -> Tensor | list[Tensor]:
        """Encode a batch.

        Args:
            inputs: (B, T, D).
            mask: (B, T); None for no padding.
            documents: number of the document that each position belongs to, (B, T), for rows that hold several documents
                one after another. No position attends to another document, and positions count from each document's
                start. None for one document a row.
        """
        num_steps = inputs.size(1)
        steps = torch.arange(num_steps, device=inputs.device)
        positions = steps.unsqueeze(0) if documents is None else _positions_in_documents(documents)
        self._check_length(num_steps)
        is_visible = None
        if documents is not None:
            is_same = documents.unsqueeze(2) == documents.unsqueeze(1)  # (B, T, T)
            is_visible = (is_same & (steps.unsqueeze(1) >= steps)).unsqueeze(1)  # (B, 1, T, T)
        # Padding comes last, so no word attends to it and causal attention needs no padding mask.
        hidden = self._embedded(inputs, positions)
        rotation = self._rotation(positions, inputs)
        outputs = []
        for layer in self.layers:
            hidden = layer(hidden, rotation, is_visible)
            outputs.append(hidden)
        outputs[-1:] = [self.final_norm(hidden)]
        if mask is not None:
            is_padding = ~mask.bool().unsqueeze(-1)
            outputs = [output.masked_fill(is_padding, 0) for output in outputs]
        return outputs if self._return_all_layers else outputs[-1]

    def step(self, inputs: Tensor, mask: Tensor, state: StepState | None = None) -> tuple[Tensor, StepState]:
        """Encode the next words, see `Seq2SeqEncoder.step`. Keys and values of earlier words come from a cache.

        The state has `lengths` (B,) and for each layer `keys.0` and `values.0` (B, K, S, W), of which the first `lengths`
        positions are in use. Its tensors are changed in place: a state serves for one step.
        """
        mask = mask.bool()
        if state is None:
            state = self._empty_cache(inputs)
        before = state["lengths"]  # (B,)
        num_steps = inputs.size(1)
        positions = before.unsqueeze(1) + torch.arange(num_steps, device=inputs.device)  # (B, T)
        num_needed = int(before.max()) + num_steps if len(before) else num_steps
        self._check_length(num_needed)
        # Values at padding are written after a row's words, where the row's next words overwrite them.
        is_visible = torch.arange(num_needed, device=inputs.device) <= positions.unsqueeze(2)  # (B, T, S)
        hidden = self._embedded(inputs, positions)
        rotation = self._rotation(positions, inputs)
        new_state: StepState = {"lengths": before + mask.sum(1)}
        for number, layer in enumerate(self.layers):
            caches = [_grown(state[f"{part}.{number}"], num_needed) for part in ("keys", "values")]
            hidden = layer(hidden, rotation, is_visible.unsqueeze(1), (caches[0], caches[1], positions))
            new_state[f"keys.{number}"], new_state[f"values.{number}"] = caches
        output: Tensor = self.final_norm(hidden)
        return output.masked_fill(~mask.unsqueeze(-1), 0), new_state

    def _empty_cache(self, inputs: Tensor) -> StepState:
        shape = (inputs.size(0), self._num_key_value_heads, _FIRST_CAPACITY, self._head_dim)
        state = {"lengths": torch.zeros(inputs.size(0), dtype=torch.long, device=inputs.device)}
        for number in range(self.num_layers):
            state[f"keys.{number}"] = inputs.new_zeros(shape)
            state[f"values.{number}"] = inputs.new_zeros(shape)
        return state

    def _check_length(self, num_positions: int) -> None:
        if self.max_length is not None and num_positions > self.max_length:
            raise ConfigurationError(
                f"contextualizer.max_length: there are {self.max_length} positions, but a text of {num_positions} words; "
                "nlpreg score reads long texts in parts; for training, raise it, or read shorter texts "
                "(dataset_reader.max_sequence_length, or data_loader.bptt for running text)"
            )

    def _embedded(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """Inputs (B, T, D) with dropout, and with their positions (B or 1, T) if these have vectors."""
        if self.position_embedding is not None:
            # Positions of padding may exceed the last one.
            last = self.position_embedding.num_embeddings - 1
            inputs = inputs + self.position_embedding(positions.clamp(max=last))
        embedded: Tensor = self.dropout(inputs)
        return embedded

    def _rotation(self, positions: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor] | None:
        """Cosines and sines (B or 1, 1, T, W / 2) of the angles at positions (B or 1, T)."""
        if self._rotary_base is None:
            return None
        # In double precision: at position 10,000 a float32 angle is off by up to 5e-4.
        exact = torch.float32 if positions.device.type == "mps" else torch.float64
        exponents = torch.arange(0, self._head_dim, 2, device=positions.device, dtype=exact) / self._head_dim
        angles = positions.unsqueeze(-1) * self._rotary_base**-exponents  # (B or 1, T, W / 2)
        angles = angles.unsqueeze(1)
        dtype = torch.promote_types(inputs.dtype, torch.float32)
        return angles.cos().to(dtype), angles.sin().to(dtype)


class CausalTransformerLayer(nn.Module):
    """Causal self-attention and a feed-forward part, each with pre-normalisation and a residual connection.

    Args:
        attention_norm: normalises the input of the attention.
        attention: the attention.
        feedforward_norm: normalises the input of the feed-forward part.
        feedforward: the feed-forward part.
        dropout: dropout probability of the output of either.

    Shape:
        (B, T, D) -> (B, T, D).
    """

    def __init__(
        self,
        attention_norm: nn.Module,
        attention: "CausalSelfAttention",
        feedforward_norm: nn.Module,
        feedforward: "GatedFeedForward",
        dropout: float,
    ) -> None:
        super().__init__()
        self.attention_norm = attention_norm
        self.attention = attention
        self.feedforward_norm = feedforward_norm
        self.feedforward = feedforward
        self.dropout = Dropout(dropout)

    def forward(
        self,
        hidden: Tensor,
        rotation: tuple[Tensor, Tensor] | None,
        is_visible: Tensor | None,
        cache: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Apply the layer; the arguments after the first are those of `CausalSelfAttention`."""
        attended = self.attention(self.attention_norm(hidden), rotation, is_visible, cache)
        hidden = hidden + self.dropout(attended)
        output: Tensor = hidden + self.dropout(self.feedforward(self.feedforward_norm(hidden)))
        return output


class CausalSelfAttention(nn.Module):
    """Scaled dot-product attention of each position to itself and earlier ones.

    Args:
        input_dim: width D of the vectors.
        num_heads: number H of query heads.
        num_key_value_heads: number K of heads with keys and values, a divisor of `num_heads`.
        bias: whether the projections have biases.
        dropout: dropout probability of the attention weights.

    Shape:
        (B, T, D) -> (B, T, D).
    """

    def __init__(
        self, input_dim: int, num_heads: int, num_key_value_heads: int, bias: bool, dropout: float
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.num_key_value_heads = num_key_value_heads
        self.head_dim = input_dim // num_heads
        self.dropout = dropout
        self.query = nn.Linear(input_dim, input_dim, bias=bias)
        self.key_value = nn.Linear(input_dim, 2 * num_key_value_heads * self.head_dim, bias=bias)
        self.output = nn.Linear(input_dim, input_dim, bias=bias)
        self.output.writes_to_residual_stream = True  # type: ignore[assignment]  # an attribute of our own, for the initialization

    def forward(
        self,
        inputs: Tensor,
        rotation: tuple[Tensor, Tensor] | None,
        is_visible: Tensor | None,
        cache: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Attend.

        Args:
            inputs: (B, T, D).
            rotation: cosines and sines (B or 1, 1, T, W / 2) that queries and keys are turned by; None for no turn.
            is_visible: which positions (last dimension) each position attends to, (B, 1, T, T or S) bool; None for itself
                and all earlier ones.
            cache: keys and values (B, K, capacity, W) of earlier positions, which get those of the inputs, and the
                position of each input (B, T); None for none.
        """
        batch_size, num_steps, _ = inputs.shape
        query = self.query(inputs).view(batch_size, num_steps, self.num_heads, self.head_dim)
        pair = self.key_value(inputs).view(batch_size, num_steps, 2, self.num_key_value_heads, self.head_dim)
        query = query.transpose(1, 2)  # (B, H, T, W)
        key, value = pair.permute(2, 0, 3, 1, 4)  # (B, K, T, W) each
        if rotation is not None:
            query, key = (_rotated(vectors, *rotation) for vectors in (query, key))
        if cache is not None:
            key, value = _written(cache, key, value, is_visible)
        num_queries_per_key = self.num_heads // self.num_key_value_heads
        if num_queries_per_key > 1:
            key, value = (part.repeat_interleave(num_queries_per_key, dim=1) for part in (key, value))
        attended = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=is_visible,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=is_visible is None,
        )  # (B, H, T, W)
        output: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return output


class GatedFeedForward(nn.Module):
    """Two linear layers around a GELU, or three with one half gating the other (SwiGLU).

    Args:
        input_dim: width of inputs and outputs.
        hidden_dim: width between the layers.
        activation: `gelu` or `swiglu`.
        bias: whether the layers have biases.
    """

    def __init__(
        self, input_dim: int, hidden_dim: int, activation: Literal["swiglu", "gelu"], bias: bool
    ) -> None:
        super().__init__()
        self._is_gated = activation == "swiglu"
        self.input = nn.Linear(input_dim, hidden_dim * (2 if self._is_gated else 1), bias=bias)
        self.output = nn.Linear(hidden_dim, input_dim, bias=bias)
        self.output.writes_to_residual_stream = True  # type: ignore[assignment]  # an attribute of our own, for the initialization

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the layers."""
        hidden = self.input(inputs)
        if self._is_gated:
            gate, hidden = hidden.chunk(2, dim=-1)
            hidden = functional.silu(gate) * hidden
        else:
            hidden = functional.gelu(hidden, approximate="tanh")
        output: Tensor = self.output(hidden)
        return output


def _check_heads(input_dim: int, num_heads: int, num_key_value_heads: int, positions: str) -> None:
    """Check that the heads divide the width.

    Raises:
        ConfigurationError: they do not, or rotary positions meet heads of an odd width.
    """
    if input_dim % num_heads:
        raise ConfigurationError(
            f"num_attention_heads: expected a divisor of input_dim, {input_dim}, got {num_heads}"
        )
    if num_heads % num_key_value_heads:
        raise ConfigurationError(
            f"num_key_value_heads: expected a divisor of num_attention_heads, {num_heads}, got {num_key_value_heads}"
        )
    if positions == "rotary" and input_dim // num_heads % 2:
        raise ConfigurationError(
            f"num_attention_heads: rotary positions need heads of even width, got {input_dim // num_heads} "
            f"({input_dim} / {num_heads})"
        )


def _rotated(vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn vectors (B, H, T, W) in W / 2 planes; value i and value i + W / 2 span a plane."""
    first, second = vectors.chunk(2, dim=-1)
    turned = torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)
    return turned.to(vectors.dtype)


def _written(
    cache: tuple[Tensor, Tensor, Tensor], key: Tensor, value: Tensor, is_visible: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Write keys and values (B, K, T, W) into the caches; returns the part of the caches that can be seen."""
    assert is_visible is not None
    keys, values, positions = cache
    index = positions[:, None, :, None].expand_as(key)
    keys.scatter_(2, index, key.to(keys.dtype))
    values.scatter_(2, index, value.to(values.dtype))
    num_visible = is_visible.size(-1)
    return keys[:, :, :num_visible].to(key.dtype), values[:, :, :num_visible].to(value.dtype)


def _grown(cache: Tensor, num_positions: int) -> Tensor:
    """A cache (B, K, S, W) with room for this number of positions."""
    capacity = cache.size(2)
    if num_positions <= capacity:
        return cache
    return functional.pad(cache, (0, 0, 0, max(num_positions, 2 * capacity) - capacity))


def _positions_in_documents(documents: Tensor) -> Tensor:
    """The position of each word counted from the start of its document, (B, T)."""
    steps = torch.arange(documents.size(1), device=documents.device).expand_as(documents)
    is_start = torch.ones_like(documents, dtype=torch.bool)
    is_start[:, 1:] = documents[:, 1:] != documents[:, :-1]
    starts = torch.where(is_start, steps, 0).cummax(dim=1).values if documents.size(1) else steps
    return steps - starts
