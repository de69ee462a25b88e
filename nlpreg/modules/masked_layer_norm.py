"""Normalisation by the mean and deviation of a whole batch, without its padding."""

import torch
from torch import Tensor

from nlpreg.nn.util.masks import tiny_value_of_dtype


class MaskedLayerNorm(torch.nn.Module):
    """`gamma * (x - mean) / (deviation + tiny) + beta`, with one mean and deviation for all unmasked entries.

    Args:
        size: width of the vectors.
        gamma0: initial value of gamma.

    Shape:
        tensor (B, T, size), mask (B, T) -> (B, T, size).
    """

    def __init__(self, size: int, gamma0: float = 0.1) -> None:
        super().__init__()
        self.size = size
        self.gamma = torch.nn.Parameter(torch.full((1, 1, size), gamma0))
        self.beta = torch.nn.Parameter(torch.zeros(1, 1, size))

    def forward(self, tensor: Tensor, mask: Tensor) -> Tensor:
        """Normalise a batch."""
        mean, variance = masked_moments(tensor, mask)
        tiny = tiny_value_of_dtype(tensor.dtype)
        deviation = torch.sqrt(variance + tiny)
        return self.gamma * (tensor - mean) / (deviation + tiny) + self.beta


def masked_moments(tensor: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of all entries at unmasked timesteps; zeros if there are none.

    Shape:
        tensor (B, T, D), mask (B, T) -> two scalars.
    """
    mask = mask.bool()
    # (B, T, 1)
    is_padding = ~mask.unsqueeze(-1)
    # entries of all words
    count = (mask.sum() * tensor.size(-1)).clamp(min=1)
    mean = tensor.masked_fill(is_padding, 0.0).sum() / count
    # Padding is set to zero after the mean is subtracted, so that it does not contribute.
    variance = (tensor - mean).masked_fill(is_padding, 0.0).square().sum() / count
    return mean, variance
