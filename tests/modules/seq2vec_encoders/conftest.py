"""One batch with rows of every length, none included."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor


@dataclass
class Padded:
    inputs: Tensor  # (B, T, D)
    mask: Tensor  # (B, T)
    lengths: list[int]


@pytest.fixture
def padded() -> Padded:
    """Rows of all lengths from 0 to 6, in no order, in 7 steps; what stands at padding is large."""
    lengths = [3, 0, 6, 5, 1, 2, 4, 0, 6]
    generator = torch.Generator().manual_seed(11)
    inputs = torch.randn(len(lengths), 7, 16, generator=generator)
    mask = torch.arange(7) < torch.tensor(lengths).unsqueeze(1)
    return Padded(torch.where(mask.unsqueeze(2), inputs, 1000.0), mask, lengths)
