"""Attention by cosine."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.modules.attention.attention import Attention
from nlpreg.nn.util.numerics import tiny_value_of_dtype


@Attention.register("cosine")
class CosineAttention(Attention):
    """The cosine of the angle between the vector and each row.

    Args:
        normalize: turn the similarities into weights that sum to one.

    Shape:
        vector (B, D), matrix (B, R, D), matrix_mask (B, R) -> (B, R).
    """

    def __init__(self, normalize: bool = True) -> None:
        super().__init__(normalize)

    def _forward_internal(self, vector: Tensor, matrix: Tensor) -> Tensor:
        return _unit(matrix).bmm(_unit(vector).unsqueeze(-1)).squeeze(-1)


def _unit(vectors: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / (norms + tiny_value_of_dtype(vectors.dtype))
