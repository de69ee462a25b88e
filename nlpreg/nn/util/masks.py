"""Masks from lengths, and softmax, mean, maximum and top-k that look at unmasked elements only.

Masks are bool tensors, true at real elements.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.util.numerics import min_value_of_dtype, tiny_value_of_dtype


def get_mask_from_sequence_lengths(sequence_lengths: Tensor, max_length: int) -> Tensor:
    """True for the first `length` positions of each row.

    Shape:
        sequence_lengths (B,) -> bool (B, max_length).
    """
    return torch.arange(max_length, device=sequence_lengths.device) < sequence_lengths.unsqueeze(1)


def get_lengths_from_binary_sequence_mask(mask: Tensor) -> Tensor:
    """How many elements of each row are true.

    Shape:
        mask (B, T) -> int64 (B,).
    """
    return mask.sum(-1)


def get_dropout_mask(dropout_probability: float, tensor_for_masking: Tensor) -> Tensor:
    """A mask of zeros and of `1 / (1 - dropout_probability)`, so that its mean is one.

    Args:
        dropout_probability: chance, from 0 to 1, of a zero.
        tensor_for_masking: gives the shape and the device.
    """
    return torch.nn.functional.dropout(
        torch.ones(tensor_for_masking.shape, device=tensor_for_masking.device), dropout_probability
    )


def _insert_dims(mask: Tensor, num_dims: int) -> Tensor:
    while mask.dim() < num_dims:
        mask = mask.unsqueeze(1)
    return mask


def masked_softmax(
    vector: Tensor, mask: Tensor | None, dim: int = -1, memory_efficient: bool = False
) -> Tensor:
    """A softmax in which masked elements get no weight.

    Args:
        vector: logits of any shape.
        mask: true where an element counts; dimensions are inserted after the first until the ranks agree.
        dim: the dimension that sums to one.
        memory_efficient: masked logits become the most negative finite value, which needs fewer copies; a
            fully masked row is then uniform. Otherwise a fully masked row is all zeros.
    """
    if mask is None:
        return torch.softmax(vector, dim=dim)
    mask = _insert_dims(mask, vector.dim())
    if memory_efficient:
        return torch.softmax(vector.masked_fill(~mask.bool(), min_value_of_dtype(vector.dtype)), dim=dim)
    weights = torch.softmax(vector * mask, dim=dim) * mask
    return weights / (weights.sum(dim=dim, keepdim=True) + tiny_value_of_dtype(weights.dtype))


def masked_log_softmax(vector: Tensor, mask: Tensor | None, dim: int = -1) -> Tensor:
    """A log-softmax with masked elements pushed far down, but finite, so that no row gives NaN.

    Args:
        vector: logits of any shape.
        mask: true where an element counts; dimensions are inserted after the first until the ranks agree.
        dim: the dimension that sums to one after `exp`.
    """
    if mask is not None:
        mask = _insert_dims(mask, vector.dim()).to(vector.dtype)
        vector = vector + (mask + tiny_value_of_dtype(vector.dtype)).log()
    return torch.log_softmax(vector, dim=dim)


def masked_max(vector: Tensor, mask: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """The largest unmasked value along `dim`; the most negative finite value where all are masked."""
    return vector.masked_fill(~mask, min_value_of_dtype(vector.dtype)).amax(dim=dim, keepdim=keepdim)


def masked_mean(vector: Tensor, mask: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """The mean of the unmasked values along `dim`; zero where all are masked."""
    total = vector.masked_fill(~mask, 0.0).sum(dim=dim, keepdim=keepdim)
    count = mask.sum(dim=dim, keepdim=keepdim)
    return total / count.clamp(min=1).to(total.dtype)


def replace_masked_values(tensor: Tensor, mask: Tensor, replace_with: float) -> Tensor:
    """A copy of `tensor` with `replace_with` wherever the mask is false.

    Raises:
        ConfigurationError: the mask has another number of dimensions.
    """
    if tensor.dim() != mask.dim():
        raise ConfigurationError(
            f"tensor and mask must have equally many dimensions, got {tensor.dim()} and {mask.dim()}"
        )
    return tensor.masked_fill(~mask, replace_with)


def masked_topk(
    input_: Tensor, mask: Tensor, k: int | Tensor, dim: int = -1
) -> tuple[Tensor, Tensor, Tensor]:
    """The k largest unmasked items along a dimension, left in their original order.

    Args:
        input_: the scores.
        mask: bool, of the same shape, true at items that may be chosen.
        k: one number for all rows, or an integer tensor of the shape of `input_` without `dim`.
        dim: the dimension to choose along.

    Returns:
        The chosen values, a mask that is false for surplus slots (a row has fewer items, or a smaller k),
        and the chosen indices; each has size `max(k)` along `dim`.

    Raises:
        ValueError: the shapes do not fit, or `dim` does not exist.
    """
    if input_.shape != mask.shape:
        raise ValueError(
            f"input_ {tuple(input_.shape)} and mask {tuple(mask.shape)} must have the same shape"
        )
    if not -input_.dim() <= dim < input_.dim():
        raise ValueError(f"dim must be within [{-input_.dim()}, {input_.dim()}), got {dim}")
    dim %= input_.dim()
    row_shape = input_.shape[:dim] + input_.shape[dim + 1 :]
    if isinstance(k, int):
        counts = torch.full(row_shape, k, dtype=torch.long, device=input_.device)
        max_k = k
    else:
        if k.shape != row_shape:
            raise ValueError(f"k must have the shape {tuple(row_shape)} of the rows, got {tuple(k.shape)}")
        counts = k.to(input_.device)
        max_k = int(k.max())
    if max_k > input_.size(dim):
        raise ValueError(f"k is {max_k}, but dimension {dim} has only {input_.size(dim)} items")

    scores = input_.movedim(dim, -1)
    scores = scores.masked_fill(~mask.movedim(dim, -1), min_value_of_dtype(scores.dtype))
    best = scores.topk(max_k, dim=-1).indices  # (..., max_k), best first
    # Surplus slots take the index of the row's last item, so that sorting keeps them behind the chosen ones.
    is_surplus = torch.arange(max_k, device=input_.device) >= counts.unsqueeze(-1)
    indices = best.masked_fill(is_surplus, input_.size(dim) - 1).sort(dim=-1).values
    is_chosen = ~is_surplus & mask.movedim(dim, -1).gather(-1, indices)
    values = input_.movedim(dim, -1).gather(-1, indices)
    return values.movedim(-1, dim), is_chosen.movedim(-1, dim), indices.movedim(-1, dim)
