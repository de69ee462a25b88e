"""Decorators for tests that need, or make use of, GPUs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import torch

__all__ = ["cpu_or_gpu", "multi_device", "requires_gpu", "requires_multi_gpu"]

F = TypeVar("F", bound=Callable[..., Any])


def multi_device(test_method: F) -> F:
    """Run a test with the argument `device` set to "cuda:0" where there is a GPU, else to "cpu"."""
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    marked: F = pytest.mark.parametrize("device", [device])(pytest.mark.gpu(test_method))
    return marked


def requires_gpu(test_method: F) -> F:
    """Skip a test where there is no GPU."""
    skip = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    marked: F = skip(pytest.mark.gpu(test_method))
    return marked


def requires_multi_gpu(test_method: F) -> F:
    """Skip a test where there are fewer than two GPUs."""
    skip = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
    marked: F = skip(pytest.mark.gpu(test_method))
    return marked


def cpu_or_gpu(test_method: F) -> F:
    """Mark a test that makes use of a GPU and does without."""
    marked: F = pytest.mark.gpu(test_method)
    return marked
