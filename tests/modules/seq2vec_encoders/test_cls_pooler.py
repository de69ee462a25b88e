"""The vector of the first or the last token."""

import pytest
import torch

from nlpreg.modules.seq2vec_encoders import ClsPooler


def test_first_or_last(padded):
    assert torch.equal(ClsPooler(16)(padded.inputs), padded.inputs[:, 0])
    vectors = ClsPooler(16, cls_is_last_token=True)(padded.inputs, padded.mask)
    for row, length in enumerate(padded.lengths):
        if length:
            assert torch.equal(vectors[row], padded.inputs[row, length - 1])


def test_the_last_one_needs_a_mask(padded):
    with pytest.raises(ValueError, match="a mask is needed"):
        ClsPooler(16, cls_is_last_token=True)(padded.inputs)
