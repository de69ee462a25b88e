"""Masked operations on tensors, and the numbers of a data type that they need."""

from typing import Any

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError


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
    return mask.bool().sum(-1)


def get_dropout_mask(dropout_probability: float, tensor_for_masking: Tensor) -> Tensor:
    """A mask of zeros and of `1 / (1 - dropout_probability)`, so that its mean is one.

    Args:
        dropout_probability: dropout probability, from 0 to 1.
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
    mask = _insert_dims(mask, vector.dim()).bool()
    if memory_efficient:
        return torch.softmax(vector.masked_fill(~mask, min_value_of_dtype(vector.dtype)), dim=dim)
    # Masked logits become 0 first, so that none of them is the largest by far, and their weights 0 afterwards.
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
        # The log of a very small number instead of minus infinity: a row of padding alone gives no NaN.
        vector = vector + (mask + tiny_value_of_dtype(vector.dtype)).log()
    return torch.log_softmax(vector, dim=dim)


def masked_max(vector: Tensor, mask: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """The largest unmasked value along `dim`; the most negative finite value where all are masked."""
    filled = vector.masked_fill(~mask.bool(), min_value_of_dtype(vector.dtype))
    if filled.size(dim) == 0:  # as if there was one masked value, for `amax` knows no empty dimension
        shape = [1 if d == dim % filled.dim() else size for d, size in enumerate(filled.shape)]
        filled = filled.new_full(shape, min_value_of_dtype(vector.dtype))
    return filled.amax(dim=dim, keepdim=keepdim)


def masked_mean(vector: Tensor, mask: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """The mean of the unmasked values along `dim`; zero where all are masked."""
    mask = mask.bool()
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
    return tensor.masked_fill(~mask.bool(), replace_with)


def masked_topk(
    input_: Tensor, mask: Tensor, k: int | Tensor, dim: int = -1
) -> tuple[Tensor, Tensor, Tensor]:
    """The k largest unmasked items along a dimension, left in their original order.

    Args:
        input_: the scores.
        mask: of the same shape, true at items that may be chosen.
        k: one number for all rows, or an integer tensor of the shape of `input_` without `dim`.
        dim: the dimension to choose along.

    Returns:
        The chosen values, a mask that is false for surplus slots (a row has fewer items, or a smaller k),
        and the chosen indices; each has size `max(k)` along `dim`. Where a masked item had to be chosen, its value is
        the lowest of the data type; a slot beyond a row's own k repeats the last of the row's `max(k)` best items.

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
    may_be_chosen = mask.bool().movedim(dim, -1)
    scores = scores.masked_fill(~may_be_chosen, min_value_of_dtype(scores.dtype))
    best = scores.topk(max_k, dim=-1).indices  # (..., max_k), best first
    # (..., max_k)
    is_surplus = torch.arange(max_k, device=input_.device) >= counts.unsqueeze(-1)
    if max_k:
        # Surplus slots take the largest index of the row's best, so that they are sorted after the chosen ones.
        best = torch.where(is_surplus, best.amax(dim=-1, keepdim=True), best)
    indices = best.sort(dim=-1).values
    is_chosen = ~is_surplus & may_be_chosen.gather(-1, indices)
    values = scores.gather(-1, indices)
    return values.movedim(-1, dim), is_chosen.movedim(-1, dim), indices.movedim(-1, dim)
