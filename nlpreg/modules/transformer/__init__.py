"""Building blocks of encoder transformers, which can load the weights of pretrained models."""

from nlpreg.modules.transformer.attention_module import AttentionOutput, SelfAttention
from nlpreg.modules.transformer.transformer_embeddings import (
    Embeddings,
    SinusoidalPositionalEncoding,
    TransformerEmbeddings,
)
from nlpreg.modules.transformer.transformer_layer import (
    ActivationLayer,
    AttentionLayer,
    OutputLayer,
    TransformerLayer,
    TransformerLayerOutput,
)
from nlpreg.modules.transformer.transformer_module import LayerNorm, TransformerModule
from nlpreg.modules.transformer.transformer_stack import (
    TransformerPooler,
    TransformerStack,
    TransformerStackOutput,
)

__all__ = [
    "ActivationLayer",
    "AttentionLayer",
    "AttentionOutput",
    "Embeddings",
    "LayerNorm",
    "OutputLayer",
    "SelfAttention",
    "SinusoidalPositionalEncoding",
    "TransformerEmbeddings",
    "TransformerLayer",
    "TransformerLayerOutput",
    "TransformerModule",
    "TransformerPooler",
    "TransformerStack",
    "TransformerStackOutput",
]
