"""Similarities between the rows of two matrices."""

from nlpreg.modules.matrix_attention.bilinear_matrix_attention import BilinearMatrixAttention
from nlpreg.modules.matrix_attention.cosine_matrix_attention import CosineMatrixAttention
from nlpreg.modules.matrix_attention.dot_product_matrix_attention import DotProductMatrixAttention
from nlpreg.modules.matrix_attention.linear_matrix_attention import LinearMatrixAttention
from nlpreg.modules.matrix_attention.matrix_attention import MatrixAttention
from nlpreg.modules.matrix_attention.scaled_dot_product_matrix_attention import (
    ScaledDotProductMatrixAttention,
)

__all__ = [
    "BilinearMatrixAttention",
    "CosineMatrixAttention",
    "DotProductMatrixAttention",
    "LinearMatrixAttention",
    "MatrixAttention",
    "ScaledDotProductMatrixAttention",
]
