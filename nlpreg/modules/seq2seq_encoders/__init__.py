"""Encoders of sequences of vectors into sequences of vectors."""

from nlpreg.modules.seq2seq_encoders.awd_lstm_encoder import AwdLstmEncoder
from nlpreg.modules.seq2seq_encoders.bidirectional_lm_transformer import BidirectionalLanguageModelTransformer
from nlpreg.modules.seq2seq_encoders.causal_transformer import CausalTransformer
from nlpreg.modules.seq2seq_encoders.compose_encoder import ComposeEncoder
from nlpreg.modules.seq2seq_encoders.feedforward_encoder import FeedForwardEncoder
from nlpreg.modules.seq2seq_encoders.gated_cnn_encoder import GatedCnnEncoder
from nlpreg.modules.seq2seq_encoders.pass_through_encoder import PassThroughEncoder
from nlpreg.modules.seq2seq_encoders.pytorch_seq2seq_wrapper import (
    AugmentedLstmSeq2SeqEncoder,
    GruSeq2SeqEncoder,
    LstmSeq2SeqEncoder,
    PytorchSeq2SeqWrapper,
    RnnSeq2SeqEncoder,
    StackedAlternatingLstmSeq2SeqEncoder,
    StackedBidirectionalLstmSeq2SeqEncoder,
)
from nlpreg.modules.seq2seq_encoders.pytorch_transformer_wrapper import PytorchTransformer
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder

__all__ = [
    "AugmentedLstmSeq2SeqEncoder",
    "AwdLstmEncoder",
    "BidirectionalLanguageModelTransformer",
    "CausalTransformer",
    "ComposeEncoder",
    "FeedForwardEncoder",
    "GatedCnnEncoder",
    "GruSeq2SeqEncoder",
    "LstmSeq2SeqEncoder",
    "PassThroughEncoder",
    "PytorchSeq2SeqWrapper",
    "PytorchTransformer",
    "RnnSeq2SeqEncoder",
    "Seq2SeqEncoder",
    "StackedAlternatingLstmSeq2SeqEncoder",
    "StackedBidirectionalLstmSeq2SeqEncoder",
]
