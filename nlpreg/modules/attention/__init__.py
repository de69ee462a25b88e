"""Attention of one vector over the rows of a matrix."""

from nlpreg.modules.attention.additive_attention import AdditiveAttention
from nlpreg.modules.attention.attention import Attention
from nlpreg.modules.attention.bilinear_attention import BilinearAttention
from nlpreg.modules.attention.cosine_attention import CosineAttention
from nlpreg.modules.attention.dot_product_attention import DotProductAttention
from nlpreg.modules.attention.linear_attention import LinearAttention
from nlpreg.modules.attention.scaled_dot_product_attention import ScaledDotProductAttention

__all__ = [
    "AdditiveAttention",
    "Attention",
    "BilinearAttention",
    "CosineAttention",
    "DotProductAttention",
    "LinearAttention",
    "ScaledDotProductAttention",
]
