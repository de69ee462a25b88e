"""A learned weighted mean of tensors."""

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.masked_layer_norm import masked_moments
from nlpreg.nn.util.masks import tiny_value_of_dtype


class ScalarMix(torch.nn.Module):
    """`gamma * sum(softmax(w)[k] * tensors[k])`, for example over the layers of an encoder.

    Args:
        mixture_size: number of tensors.
        do_layer_norm: normalise each tensor first, by the mean and variance of its unmasked entries.
        initial_scalar_parameters: the w at the start, one for each tensor; zeros by default.
        trainable: learn w and gamma.

    Shape:
        tensors: a list of (B, T, D) -> (B, T, D).

    Raises:
        ConfigurationError: the number of initial parameters, or of tensors, is not `mixture_size`.

    Source: Peters et al. (2018), equation 1, https://arxiv.org/abs/1802.05365
    """

    def __init__(
        self,
        mixture_size: int,
        do_layer_norm: bool = False,
        initial_scalar_parameters: list[float] | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        self.mixture_size = mixture_size
        self.do_layer_norm = do_layer_norm
        values = [0.0] * mixture_size if initial_scalar_parameters is None else initial_scalar_parameters
        if len(values) != mixture_size:
            raise ConfigurationError(
                f"ScalarMix: expected {mixture_size} initial_scalar_parameters, got {len(values)}"
            )
        self.scalar_parameters = torch.nn.ParameterList(
            [torch.nn.Parameter(torch.tensor([float(value)]), requires_grad=trainable) for value in values]
        )
        self.gamma = torch.nn.Parameter(torch.ones(1), requires_grad=trainable)

    def forward(self, tensors: list[Tensor], mask: Tensor | None = None) -> Tensor:
        """Mix the tensors.

        Args:
            tensors: as many as `mixture_size`, all of the same shape.
            mask: true at real timesteps, (B, T); needed with layer normalisation.
        """
        if len(tensors) != self.mixture_size:
            raise ConfigurationError(f"ScalarMix: expected {self.mixture_size} tensors, got {len(tensors)}")
        if self.do_layer_norm:
            if mask is None:
                raise ConfigurationError("ScalarMix: layer normalisation needs a mask")
            tensors = [_normalise(tensor, mask) for tensor in tensors]
        # 0-d each, they sum to one
        weights = torch.softmax(torch.cat(list(self.scalar_parameters)), dim=0).unbind()
        others = zip(weights[1:], tensors[1:], strict=True)
        return self.gamma * sum((weight * tensor for weight, tensor in others), weights[0] * tensors[0])


def _normalise(tensor: Tensor, mask: Tensor) -> Tensor:
    mean, variance = masked_moments(tensor, mask)
    return (tensor - mean) / torch.sqrt(variance + tiny_value_of_dtype(variance.dtype))
