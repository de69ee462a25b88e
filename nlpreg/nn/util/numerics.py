"""Limits of data types, and arithmetic that stays finite near them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def info_value_of_dtype(dtype: torch.dtype) -> torch.finfo | torch.iinfo:
    """The numeric limits of a data type: `torch.finfo` or `torch.iinfo`.

    Raises:
        TypeError: `dtype` is `torch.bool`, which has no limits.
    """
    if dtype == torch.bool:
        raise TypeError("torch.bool has no numeric limits; convert the tensor to a number type first")
    return torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)


def min_value_of_dtype(dtype: torch.dtype) -> float | int:
    """The most negative finite value of a data type."""
    return info_value_of_dtype(dtype).min


def max_value_of_dtype(dtype: torch.dtype) -> float | int:
    """The largest finite value of a data type."""
    return info_value_of_dtype(dtype).max


def tiny_value_of_dtype(dtype: torch.dtype) -> float:
    """A small positive number that keeps a division or a logarithm away from zero.

    Returns:
        1e-13 for single and double precision, 1e-4 for the two half precisions.

    Raises:
        TypeError: `dtype` is not one of these four.
    """
    if dtype in (torch.float32, torch.float64):
        return 1e-13
    if dtype in (torch.float16, torch.bfloat16):
        return 1e-4
    raise TypeError(f"a small value is defined for floating point types only, not for {dtype}")


def logsumexp(tensor: Tensor, dim: int = -1, keepdim: bool = False) -> Tensor:
    """`log(sum(exp(tensor)))` along `dim` without overflow."""
    return torch.logsumexp(tensor, dim=dim, keepdim=keepdim)


def clamp_tensor(tensor: Tensor, minimum: float, maximum: float) -> Tensor:
    """A copy of a dense or sparse tensor with its values limited to [minimum, maximum].

    Of a sparse tensor only the stored values are limited; the result is coalesced.
    """
    if not tensor.is_sparse:
        return tensor.clamp(minimum, maximum)
    coalesced = tensor.coalesce()
    values = coalesced.values().clamp(minimum, maximum)
    indices, size = coalesced.indices(), coalesced.size()
    return torch.sparse_coo_tensor(indices, values, size, check_invariants=False).coalesce()


def tensors_equal(tensor1: Any, tensor2: Any, tolerance: float = 1e-12) -> bool:
    """Whether two tensors, or two nested lists, tuples or dicts of tensors, are equal within a tolerance.

    Args:
        tensor1: a tensor, or a list, tuple or dict whose leaves are tensors or plain values.
        tensor2: what to compare it with; another structure or another shape is unequal.
        tolerance: largest absolute difference that still counts as equal.
    """
    if isinstance(tensor1, (list, tuple)):
        return (
            isinstance(tensor2, (list, tuple))
            and len(tensor1) == len(tensor2)
            and all(tensors_equal(a, b, tolerance) for a, b in zip(tensor1, tensor2, strict=True))
        )
    if isinstance(tensor1, dict):
        return (
            isinstance(tensor2, dict)
            and tensor1.keys() == tensor2.keys()
            and all(tensors_equal(value, tensor2[key], tolerance) for key, value in tensor1.items())
        )
    if isinstance(tensor1, Tensor):
        if not isinstance(tensor2, Tensor) or tensor1.shape != tensor2.shape:
            return False
        if tensor1.dtype == torch.bool or tensor2.dtype == torch.bool:
            return bool((tensor1 == tensor2).all())
        return bool(((tensor1 - tensor2).abs() <= tolerance).all())
    return bool(tensor1 == tensor2)


def unit_vectors(vectors: Tensor) -> Tensor:
    """Vectors (..., D) of length one in the same directions; those of length zero stay zero."""
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / (norms + tiny_value_of_dtype(vectors.dtype))
