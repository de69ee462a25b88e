"""The distinct rows of a matrix of ids."""

from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["distinct_rows"]

_MULTIPLIER = 0x5851F42D4C957F2D  # of Knuth's MMIX generator
_INCREMENT = 0x14057B7EF767814F
_FINISHER = 0xBF58476D1CE4E5B9  # of SplitMix64


def distinct_rows(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Find the distinct rows of a matrix of ids, much faster than `torch.unique(dim=0)`.

    Rows are compared by a 64-bit hash first. Whether any two different rows share one is checked; then, which should not
    happen within the age of this code, the slow way is taken, or on a GPU the program ends. There one waits once, for
    the number of distinct rows.

    Args:
        ids: (N, K) int64.

    Returns:
        The U distinct rows (U, K), in no particular order, and for each row of `ids` its place among them (N,).
    """
    hashes = (ids * _multipliers(ids.size(1), ids.device)).sum(dim=1)  # (N,), modulo 2^64
    distinct, places = torch.unique(hashes, return_inverse=True)
    examples = torch.empty_like(distinct).scatter_(0, places, torch.arange(len(ids), device=ids.device))
    rows = ids.index_select(0, examples)
    is_same = rows.index_select(0, places) == ids
    if ids.is_cuda:
        torch._assert_async(is_same.all())  # what would never happen is not worth another wait
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
