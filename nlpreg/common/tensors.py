"""Small helpers for tensors, devices and parameters; torch is loaded when one of them is called."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


def int_to_device(device: int | torch.device) -> torch.device:
    """The GPU of that number, or the CPU for a negative one; a device stays what it is."""
    import torch

    if isinstance(device, torch.device):
        return device
    return torch.device("cpu") if device < 0 else torch.device("cuda", device)


def nan_safe_tensor_divide(numerator: torch.Tensor, denominator: torch.Tensor) -> torch.Tensor:
    """The quotient, and 0 wherever the denominator is 0."""
    import torch

    zero = denominator == 0
    quotient = numerator / torch.where(zero, torch.ones_like(denominator), denominator)
    return quotient.masked_fill(zero, 0.0)


def get_frozen_and_tunable_parameter_names(model: torch.nn.Module) -> tuple[Iterable[str], Iterable[str]]:
    """Names of the parameters that training leaves alone, and of those that it changes."""
    named = list(model.named_parameters())
    frozen = [name for name, parameter in named if not parameter.requires_grad]
    tunable = [name for name, parameter in named if parameter.requires_grad]
    return frozen, tunable


def log_frozen_and_tunable_parameter_names(model: torch.nn.Module) -> None:
    """Log both lists of `get_frozen_and_tunable_parameter_names`."""
    frozen, tunable = get_frozen_and_tunable_parameter_names(model)
    for kind, names in (("frozen (not trained)", frozen), ("tunable (trained)", tunable)):
        logger.info("The following parameters are %s:", kind)
        for name in names:
            logger.info(name)
