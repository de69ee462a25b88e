"""Encoders of sequences of vectors into one vector."""

from nlpreg.modules.seq2vec_encoders.bert_pooler import BertPooler
from nlpreg.modules.seq2vec_encoders.boe_encoder import BagOfEmbeddingsEncoder
from nlpreg.modules.seq2vec_encoders.cls_pooler import ClsPooler
from nlpreg.modules.seq2vec_encoders.cnn_encoder import CnnEncoder
from nlpreg.modules.seq2vec_encoders.cnn_highway_encoder import CnnHighwayEncoder
from nlpreg.modules.seq2vec_encoders.pytorch_seq2vec_wrapper import (
    AugmentedLstmSeq2VecEncoder,
    GruSeq2VecEncoder,
    LstmSeq2VecEncoder,
    PytorchSeq2VecWrapper,
    RnnSeq2VecEncoder,
    StackedAlternatingLstmSeq2VecEncoder,
    StackedBidirectionalLstmSeq2VecEncoder,
)
from nlpreg.modules.seq2vec_encoders.seq2vec_encoder import Seq2VecEncoder

__all__ = [
    "AugmentedLstmSeq2VecEncoder",
    "BagOfEmbeddingsEncoder",
    "BertPooler",
    "ClsPooler",
    "CnnEncoder",
    "CnnHighwayEncoder",
    "GruSeq2VecEncoder",
    "LstmSeq2VecEncoder",
    "PytorchSeq2VecWrapper",
    "RnnSeq2VecEncoder",
    "Seq2VecEncoder",
    "StackedAlternatingLstmSeq2VecEncoder",
    "StackedBidirectionalLstmSeq2VecEncoder",
]
