"""Normalisation of each vector to zero mean and unit deviation."""

import torch
from torch import Tensor

from nlpreg.nn.util.masks import tiny_value_of_dtype


class LayerNorm(torch.nn.Module):
    """`gamma * (x - mean) / (deviation + tiny) + beta` over the last dimension.

    Unlike torch's, the small number is added to the deviation, not to the variance.

    Args:
        dimension: width of the vectors.

    Shape:
        (..., dimension) -> (..., dimension).

    Source: Ba, Kiros and Hinton (2016), https://arxiv.org/abs/1607.06450
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.gamma = torch.nn.Parameter(torch.ones(dimension))
        self.beta = torch.nn.Parameter(torch.zeros(dimension))

    def forward(self, tensor: Tensor) -> Tensor:
        """Normalise every vector."""
        # sqrt(variance + tiny ** 2) equals deviation + tiny, up to rounding, wherever one of the two is much larger
        # than the other; so torch's fused kernel can be used.
        epsilon = tiny_value_of_dtype(tensor.dtype) ** 2
        return torch.nn.functional.layer_norm(tensor, self.gamma.shape, self.gamma, self.beta, epsilon)
