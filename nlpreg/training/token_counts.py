"""Counts of n-grams in tensors of ids, which some metrics of generated text are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import torch
from torch import Tensor

from nlpreg.training.metrics.bleu import count_ngrams


def ngrams(tensor: Tensor, ngram_size: int, exclude_indices: Collection[int]) -> Counter[tuple[int, ...]]:
    """How often each n-gram occurs in a sequence; those with an excluded id are left out.

    Args:
        tensor: ids, of shape (L,).
        ngram_size: n, at least 1.
        exclude_indices: ids such as that of the padding.
    """
    return count_ngrams(tensor.tolist(), ngram_size, frozenset(exclude_indices))


def get_valid_tokens_mask(tensor: Tensor, exclude_indices: Collection[int]) -> Tensor:
    """True where an id is not excluded; of the shape of `tensor`."""
    if not exclude_indices:
        return torch.ones_like(tensor, dtype=torch.bool)
    excluded = torch.tensor(sorted(exclude_indices), device=tensor.device, dtype=tensor.dtype)
    return ~torch.isin(tensor, excluded)
