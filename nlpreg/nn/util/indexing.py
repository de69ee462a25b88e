"""Picking and replacing elements of batched tensors by index, span or bucket.

Letters in shapes: B sequences, T timesteps, D features, N indices, S spans, W widest span.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.util import int_to_device
from nlpreg.nn.operators import is_exporting


def get_range_vector(size: int, device: int | torch.device) -> Tensor:
    """The integers from 0 to `size - 1`.

    Args:
        size: how many.
        device: a device, or the index of a GPU; a negative index is the CPU.
    """
    return torch.arange(size, device=int_to_device(device))


def flatten_and_batch_shift_indices(indices: Tensor, sequence_length: int) -> Tensor:
    """Turn indices into sequences into indices into the concatenation of all sequences.

    Shape:
        indices (B, ...) -> (B * ...).

    Raises:
        ConfigurationError: an index is outside [0, sequence_length).
    """
    if not is_exporting() and indices.numel():  # a program cannot look at values
        low, high = (int(bound) for bound in torch.aminmax(indices))
        if low < 0 or high >= sequence_length:
            raise ConfigurationError(
                f"indices must lie in [0, {sequence_length}), got values from {low} to {high}"
            )
    # (B,), of each sequence
    starts = torch.arange(indices.size(0), device=indices.device) * sequence_length
    return (indices + starts.view(-1, *[1] * (indices.dim() - 1))).reshape(-1)


def batched_index_select(target: Tensor, indices: Tensor, flattened_indices: Tensor | None = None) -> Tensor:
    """Pick vectors out of each sequence.

    Args:
        target: sequences of vectors.
        indices: which timesteps to pick.
        flattened_indices: what `flatten_and_batch_shift_indices` gave for `indices`, if it is known already.

    Shape:
        target (B, T, D), indices (B, ...) -> (B, ..., D).

    Raises:
        ConfigurationError: an index is outside [0, T).
    """
    if flattened_indices is None:
        flattened_indices = flatten_and_batch_shift_indices(indices, target.size(1))
    # (indices, D)
    selected = target.reshape(-1, target.size(-1)).index_select(0, flattened_indices)
    return selected.view(*indices.shape, target.size(-1))


def masked_index_fill(target: Tensor, indices: Tensor, mask: Tensor, fill_value: int = 1) -> Tensor:
    """A copy of `target` with one value written at the unmasked indices.

    Shape:
        target (B, T), indices (B, N), mask (B, N) -> (B, T).
    """
    # Masked indices fall into one extra timestep, which is cut off again.
    is_hit = torch.zeros(len(target), target.size(1) + 1, dtype=torch.bool, device=indices.device)
    is_hit.scatter_(1, indices.masked_fill(~mask.bool(), target.size(1)), True)
    return target.masked_fill(is_hit[:, :-1], fill_value)


def masked_index_replace(target: Tensor, indices: Tensor, mask: Tensor, replace: Tensor) -> Tensor:
    """A copy of `target` with vectors written at the unmasked indices.

    Shape:
        target (B, T, D), indices (B, N), mask (B, N), replace (B, N, D) -> (B, T, D).
    """
    # Masked indices write into one extra timestep, which is cut off again.
    padded = torch.cat([target, target[:, :1]], dim=1)
    where = indices.masked_fill(~mask.bool(), target.size(1)).unsqueeze(-1).expand_as(replace)
    return padded.scatter(1, where, replace.to(target.dtype))[:, :-1]


def batched_span_select(target: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
    """Pick the vectors of each span.

    Args:
        target: sequences of vectors.
        spans: first and last timestep of each span, both inclusive.

    Shape:
        target (B, T, D), spans (B, S, 2) -> embeddings (B, S, W, D), mask (B, S, W). Positions outside a span or
        outside the sequence are masked and hold the vector of timestep 0.
    """
    starts, ends = spans.unbind(dim=-1)
    widths = ends - starts  # (B, S)
    if is_exporting():  # a program's sizes do not depend on values
        max_width = target.size(1)
    else:
        max_width = max(int(widths.max()) + 1, 0) if widths.numel() else 0
    offsets = torch.arange(max_width, device=spans.device)
    indices = starts.unsqueeze(-1) + offsets  # (B, S, W)
    mask = (offsets <= widths.unsqueeze(-1)) & (indices >= 0) & (indices < target.size(1))
    return batched_index_select(target, indices.masked_fill(~mask, 0)), mask


def flattened_index_select(target: Tensor, indices: Tensor) -> Tensor:
    """Pick the same timesteps of every sequence.

    Shape:
        target (B, T, D), indices (S, K) -> (B, S, K, D).

    Raises:
        ConfigurationError: the indices are not two-dimensional.
    """
    if indices.dim() != 2:
        raise ConfigurationError(f"expected indices with 2 dimensions, got shape {tuple(indices.shape)}")
    # (B, S * K, D)
    selected = target.index_select(1, indices.reshape(-1))
    return selected.view(target.size(0), *indices.shape, target.size(-1))


def bucket_values(distances: Tensor, num_identity_buckets: int = 4, num_total_buckets: int = 10) -> Tensor:
    """Put distances into buckets that grow with the distance.

    Distances up to `num_identity_buckets` have a bucket of their own, further ones share a bucket for each power
    of two. The defaults give the buckets 0, 1, 2, 3, 4, 5-7, 8-15, 16-31, 32-63, 64+.

    Shape:
        distances of any shape, not negative -> int64 of the same shape, from 0 to `num_total_buckets - 1`.
    """
    # The small number saves powers of two from being rounded down.
    log_buckets = (distances.clamp(min=1).double().log() / math.log(2) + 1e-9).floor().long()
    buckets = torch.where(
        distances <= num_identity_buckets, distances.long(), log_buckets + (num_identity_buckets - 1)
    )
    return buckets.clamp(0, num_total_buckets - 1)


_MULTIPLIER = 0x5851F42D4C957F2D  # of Knuth's MMIX generator
_INCREMENT = 0x14057B7EF767814F
_FINISHER = 0xBF58476D1CE4E5B9  # of SplitMix64


def distinct_rows(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Find the distinct rows of a matrix of ids, much faster than `torch.unique(dim=0)`.

    Rows are compared by a 64-bit hash first. Whether any two different rows share one is checked; then, which is
    practically impossible, the slow way is taken on the CPU, and a GPU raises an error. A GPU is waited for once, for the
    number of distinct rows.

    Args:
        ids: (N, K) int64.

    Returns:
        The U distinct rows (U, K), in no particular order, and for each row of `ids` its place among them (N,).
    """
    hashes = (ids * _multipliers(ids.size(1), ids.device)).sum(dim=1)  # (N,), modulo 2^64
    # (U,), (N,)
    distinct, places = torch.unique(hashes, return_inverse=True)
    # Of the rows with one hash, any may stand for the others.
    examples = torch.empty_like(distinct).scatter_(0, places, torch.arange(len(ids), device=ids.device))
    rows = ids.index_select(0, examples)
    is_same = rows.index_select(0, places) == ids
    if ids.is_cuda:
        torch._assert_async(is_same.all())  # not worth another wait for the device
        return rows, places
    if is_same.all():
        return rows, places
    rows, places = torch.unique(ids, dim=0, return_inverse=True)
    return rows, places


@lru_cache(maxsize=64)
def _multipliers(count: int, device: torch.device) -> Tensor:
    """(count,) fixed odd numbers without a pattern that rows of ids could have."""
    state, numbers = 1, []
    for _ in range(count):
        state = (state * _MULTIPLIER + _INCREMENT) % 2**64
        mixed = (state ^ (state >> 29)) * _FINISHER % 2**64
        mixed = (mixed ^ (mixed >> 32)) | 1
        numbers.append(mixed - 2**64 if mixed >= 2**63 else mixed)
    return torch.tensor(numbers, device=device)
