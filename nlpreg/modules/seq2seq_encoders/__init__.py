"""Encoders of sequences of vectors into sequences of vectors."""

from nlpreg.modules.seq2seq_encoders.pytorch_seq2seq_wrapper import (
    AugmentedLstmSeq2SeqEncoder,
    GruSeq2SeqEncoder,
    LstmSeq2SeqEncoder,
    PytorchSeq2SeqWrapper,
    RnnSeq2SeqEncoder,
    StackedAlternatingLstmSeq2SeqEncoder,
    StackedBidirectionalLstmSeq2SeqEncoder,
)
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import Seq2SeqEncoder

__all__ = [
    "AugmentedLstmSeq2SeqEncoder",
    "GruSeq2SeqEncoder",
    "LstmSeq2SeqEncoder",
    "PytorchSeq2SeqWrapper",
    "RnnSeq2SeqEncoder",
    "Seq2SeqEncoder",
    "StackedAlternatingLstmSeq2SeqEncoder",
    "StackedBidirectionalLstmSeq2SeqEncoder",
]
