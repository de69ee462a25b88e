"""Final states of recurrent encoders."""

import pytest
import torch
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.seq2vec_encoders import (
    AugmentedLstmSeq2VecEncoder,
    GruSeq2VecEncoder,
    LstmSeq2VecEncoder,
    PytorchSeq2VecWrapper,
    RnnSeq2VecEncoder,
    StackedBidirectionalLstmSeq2VecEncoder,
)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cls", [LstmSeq2VecEncoder, GruSeq2VecEncoder, RnnSeq2VecEncoder])
def test_final_state_of_the_last_layer(cls, bidirectional, padded):
    encoder = cls(16, 5, num_layers=2, bidirectional=bidirectional)
    vectors = encoder(padded.inputs, padded.mask)
    for row, length in enumerate(padded.lengths):
        if length:
            final = encoder._module(padded.inputs[row : row + 1, :length])[1]
            hidden = final[0] if cls is LstmSeq2VecEncoder else final
            expected = torch.cat([hidden[-2, 0], hidden[-1, 0]]) if bidirectional else hidden[-1, 0]
            torch.testing.assert_close(vectors[row], expected)
        else:
            assert not vectors[row].any()


def test_a_given_state_is_where_rows_start(padded):
    encoder = LstmSeq2VecEncoder(16, 5)
    state = (torch.randn(1, 9, 5), torch.randn(1, 9, 5))
    vectors = encoder(padded.inputs, padded.mask, state)
    own = (state[0][:, 2:3], state[1][:, 2:3])
    torch.testing.assert_close(vectors[2], encoder._module(padded.inputs[2:3, :6], own)[1][0][0, 0])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_without_a_mask_the_last_output_counts(bidirectional):
    encoder = GruSeq2VecEncoder(3, 4, bidirectional=bidirectional)
    inputs = torch.randn(2, 3, 3)
    torch.testing.assert_close(encoder(inputs, None), encoder._module(inputs)[0][:, -1])


def test_backward_layers_end_at_the_first_word(padded):
    encoder = AugmentedLstmSeq2VecEncoder(16, 5, go_forward=False)
    at_first_word = encoder(padded.inputs, padded.mask)[4]  # a row of one word
    alone = encoder(padded.inputs[4:5, :1], padded.mask[4:5, :1])
    torch.testing.assert_close(at_first_word, alone[0])


def test_both_directions_are_joined(padded):
    encoder = StackedBidirectionalLstmSeq2VecEncoder(16, 5, num_layers=2)
    assert encoder.get_output_dim() == 10
    from torch.nn.utils.rnn import pack_padded_sequence

    packed = pack_padded_sequence(padded.inputs[3:4, :5], torch.tensor([5]), batch_first=True)
    _, (hidden, _) = encoder._module(packed)
    expected = torch.cat([hidden[2, 0], hidden[3, 0]])
    torch.testing.assert_close(encoder(padded.inputs, padded.mask)[3], expected)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_modules_of_others(padded):
    encoder = PytorchSeq2VecWrapper(nn.LSTM(16, 5, proj_size=3, batch_first=True))
    vectors = encoder(padded.inputs, padded.mask)
    expected = encoder._module(padded.inputs[2:3, :6])[1][0][0, 0]
    torch.testing.assert_close(vectors[2], expected)


def test_modules_have_to_take_batches_first():
    with pytest.raises(ConfigurationError, match="batch_first=True"):
        PytorchSeq2VecWrapper(nn.LSTM(3, 4))
