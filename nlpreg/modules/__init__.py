"""The building blocks of models; each family of registered classes has a package of its own."""

from nlpreg.modules.attention import Attention
from nlpreg.modules.bimpm_matching import BiMpmMatching
from nlpreg.modules.conditional_random_field import ConditionalRandomField
from nlpreg.modules.elmo import Elmo
from nlpreg.modules.feedforward import FeedForward
from nlpreg.modules.gated_sum import GatedSum
from nlpreg.modules.highway import Highway
from nlpreg.modules.input_variational_dropout import InputVariationalDropout
from nlpreg.modules.layer_norm import LayerNorm
from nlpreg.modules.matrix_attention import MatrixAttention
from nlpreg.modules.maxout import Maxout
from nlpreg.modules.residual_with_layer_dropout import ResidualWithLayerDropout
from nlpreg.modules.sampled_softmax_loss import SampledSoftmaxLoss
from nlpreg.modules.scalar_mix import ScalarMix
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.modules.seq2vec_encoders import Seq2VecEncoder
from nlpreg.modules.softmax_loss import AdaptiveSoftmaxLoss, SoftmaxLoss, WordDistribution
from nlpreg.modules.text_field_embedders import TextFieldEmbedder
from nlpreg.modules.tied_softmax_loss import TiedSampledSoftmaxLoss, TiedSoftmaxLoss
from nlpreg.modules.time_distributed import TimeDistributed
from nlpreg.modules.token_embedders import Embedding, TokenEmbedder

__all__ = [
    "AdaptiveSoftmaxLoss",
    "Attention",
    "BiMpmMatching",
    "ConditionalRandomField",
    "Elmo",
    "Embedding",
    "FeedForward",
    "GatedSum",
    "Highway",
    "InputVariationalDropout",
    "LayerNorm",
    "MatrixAttention",
    "Maxout",
    "ResidualWithLayerDropout",
    "SampledSoftmaxLoss",
    "ScalarMix",
    "Seq2SeqEncoder",
    "Seq2VecEncoder",
    "SoftmaxLoss",
    "TextFieldEmbedder",
    "TiedSampledSoftmaxLoss",
    "TiedSoftmaxLoss",
    "TimeDistributed",
    "TokenEmbedder",
    "WordDistribution",
]
