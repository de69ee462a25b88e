"""Checking the weights of labels, which three classes take."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError


def weights_of_labels(label_weights: list[float] | None, num_tags: int) -> Tensor:
    """The weights as a tensor (num_tags,).

    Raises:
        ConfigurationError: there are none, or not one for each tag.
    """
    if label_weights is None:
        raise ConfigurationError("label_weights must be given, one weight for each tag")
    if len(label_weights) != num_tags:
        raise ConfigurationError(
            f"expected {num_tags} label weights, one for each tag, got {len(label_weights)}"
        )
    return torch.tensor(label_weights, dtype=torch.float32)
