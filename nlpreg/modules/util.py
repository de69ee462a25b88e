"""Copies of layers."""

import torch

from nlpreg.nn.util.modules import clone


def replicate_layers(layer: torch.nn.Module, num_copies: int) -> torch.nn.ModuleList:
    """Independent deep copies of a layer."""
    return clone(layer, num_copies)
