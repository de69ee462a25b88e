"""Causal gated convolutions in both directions."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder
from nlpreg.nn.cpu_layers import Dropout

# B rows, T steps, D width of the vectors


@Seq2SeqEncoder.register("gated-cnn-encoder")
class GatedCnnEncoder(Seq2SeqEncoder):
    """Two independent stacks of gated convolutions: one over the words up to a position, one over the words from it on.

    Args:
        input_dim: width of the inputs.
        layers: for each residual block its convolutions, as [width, channels], or [2, channels, dilation]. The last
            channels of a block are `input_dim`.
        dropout: dropout probability of the input of a block, from 0 to 1.
        return_all_layers: whether to return the outputs of every block rather than those of the last.

    Shape:
        inputs (B, T, input_dim), mask (B, T) bool, true for words -> (B, T, 2 * input_dim), forward half first,
        zeros at padding; or a list of these, one for each block.

    Source: Dauphin et al. (2017), https://arxiv.org/abs/1612.08083
    """

    _is_bidirectional = True

    def __init__(
        self,
        input_dim: PositiveInt,
        layers: Sequence[Sequence[Sequence[PositiveInt]]],
        dropout: Probability = 0.0,
        return_all_layers: bool = False,
    ) -> None:
        super().__init__()
        if not layers:
            raise ConfigurationError("layers: expected at least one, got none")
        self._forward_residual_blocks, self._backward_residual_blocks = (
            nn.ModuleList(ResidualBlock(input_dim, layer, direction, dropout=dropout) for layer in layers)
            for direction in ("forward", "backward")
        )
        self._input_dim, self._output_dim = input_dim, 2 * input_dim
        self._return_all_layers = return_all_layers
        self.num_layers = len(layers)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor | list[Tensor]:
        """Encode a batch."""
        is_padding = ~mask.bool().unsqueeze(1)  # (B, 1, T)
        ahead = back = inputs.transpose(1, 2)  # (B, D, T)
        outputs = []
        for forward_block, backward_block in zip(
            self._forward_residual_blocks, self._backward_residual_blocks, strict=True
        ):
            ahead = forward_block(ahead, is_padding)
            back = backward_block(back, is_padding)
            outputs.append((ahead, back))
        if not self._return_all_layers:
            outputs = outputs[-1:]
        joined = [
            torch.cat(pair, dim=1).masked_fill(is_padding, 0).transpose(1, 2)  # (B, T, 2D)
            for pair in outputs
        ]
        return joined if self._return_all_layers else joined[0]


class ResidualBlock(nn.Module):
    """Gated convolutions in one direction with a residual connection: `(f(x) + x) / sqrt(2)`.

    Args:
        input_dim: width D of the vectors.
        layers: the convolutions, as [width, channels], or [2, channels, dilation].
        direction: `forward` to see a position and those before it, `backward` for those after it.
        do_weight_norm: whether to use weight normalization: a length and a direction for each output.
        dropout: dropout probability of the input of the block, from 0 to 1.

    Shape:
        x (B, D, T), is_padding (B, 1, T) bool or None -> (B, D, T), undefined at padding.

    Raises:
        ConfigurationError: another direction, or the last channels are not `input_dim`.
        ValueError: a convolution does not have two or three numbers, or is dilated and not 2 wide.
    """

    def __init__(
        self,
        input_dim: int,
        layers: Sequence[Sequence[int]],
        direction: str,
        do_weight_norm: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if direction not in ("forward", "backward"):
            raise ConfigurationError(f"direction: expected 'forward' or 'backward', got {direction!r}")
        self._direction = direction
        self.dropout = Dropout(dropout)
        convolutions = []
        num_channels = input_dim
        for index, layer in enumerate(layers):
            if len(layer) not in (2, 3) or (len(layer) == 3 and layer[0] != 2):
                raise ValueError(
                    f"layers: expected [width, channels] or [2, channels, dilation], got {list(layer)}"
                )
            dilation = layer[2] if len(layer) == 3 else 1
            kept = 1.0 - dropout if index == 0 else 1.0
            convolution = _GatedConvolution(num_channels, layer[1], layer[0], dilation, kept, do_weight_norm)
            convolutions.append(convolution)
            num_channels = layer[1]
        if num_channels != input_dim:
            raise ConfigurationError(
                f"layers: expected the last channels of a block to be input_dim, {input_dim}, got {num_channels}"
            )
        self._convolutions = nn.ModuleList(convolutions)

    def forward(self, x: Tensor, is_padding: Tensor | None = None) -> Tensor:
        """Apply the block."""
        if not x.size(2):
            return x
        if is_padding is not None:
            x = x.masked_fill(is_padding, 0)
        out: Tensor = self.dropout(x)
        for index, convolution in enumerate(self._convolutions):
            if index > 0 and is_padding is not None:
                # The biases of the previous convolution have made padding nonzero.
                out = out.masked_fill(is_padding, 0)
            out = convolution(out, self._direction == "forward")
        return (out + x) * math.sqrt(0.5)


class _GatedConvolution(nn.Module):
    """A causal convolution with as many gates as outputs.

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels, after gating.
        width: size of the kernel.
        dilation: distance between the positions of the kernel.
        kept: probability, from 0 to 1, that an input is not dropped; it determines the scale of the initial weights.
        do_weight_norm: whether to use weight normalization: a length and a direction for each output.

    Shape:
        (B, in_channels, T) -> (B, out_channels, T).

    Source: Salimans and Kingma (2016), https://arxiv.org/abs/1602.07868
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        dilation: int,
        kept: float,
        do_weight_norm: bool,
    ) -> None:
        super().__init__()
        self.dilation = dilation
        self.reach = (width - 1) * dilation
        weight = torch.empty(2 * out_channels, in_channels, width)
        weight.normal_(0, math.sqrt(4.0 * kept / (width * in_channels)))
        self.has_weight_norm = do_weight_norm
        if do_weight_norm:
            self.weight_g = nn.Parameter(weight.norm(dim=(1, 2), keepdim=True))
            self.weight_v = nn.Parameter(weight)
        else:
            self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(2 * out_channels))

    def forward(self, x: Tensor, is_forward: bool) -> Tensor:
        """Convolve over the positions up to each one, or from each one on."""
        padded = functional.pad(x, (self.reach, 0) if is_forward else (0, self.reach))
        if self.has_weight_norm:
            # (2 * out_channels, in_channels, width)
            weight = self.weight_v * (self.weight_g / self.weight_v.norm(dim=(1, 2), keepdim=True))
        else:
            weight = self.weight
        return functional.glu(functional.conv1d(padded, weight, self.bias, dilation=self.dilation), dim=1)
