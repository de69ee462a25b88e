"""Sums and means of vectors."""

import torch

from nlpreg.modules.seq2vec_encoders import BagOfEmbeddingsEncoder, Seq2VecEncoder


def test_sums_and_means(padded):
    total = BagOfEmbeddingsEncoder(16)(padded.inputs, padded.mask)
    mean = BagOfEmbeddingsEncoder(16, averaged=True)(padded.inputs, padded.mask)
    for row, length in enumerate(padded.lengths):
        words = padded.inputs[row, :length]
        torch.testing.assert_close(total[row], words.sum(0))
        torch.testing.assert_close(mean[row], words.mean(0) if length else torch.zeros(16))


def test_without_a_mask():
    inputs = torch.randn(2, 3, 4)
    torch.testing.assert_close(BagOfEmbeddingsEncoder(4)(inputs), inputs.sum(1))
    torch.testing.assert_close(BagOfEmbeddingsEncoder(4, averaged=True)(inputs, None), inputs.mean(1))


def test_both_names():
    assert (
        Seq2VecEncoder.by_name("boe") is Seq2VecEncoder.by_name("bag_of_embeddings") is BagOfEmbeddingsEncoder
    )
