"""Passing through, feed-forward, and encoders one after the other."""

import pytest
import torch

from nlpreg.modules.feedforward import FeedForward
from nlpreg.modules.seq2seq_encoders import (
    ComposeEncoder,
    FeedForwardEncoder,
    GruSeq2SeqEncoder,
    PassThroughEncoder,
    Seq2SeqEncoder,
)


def feedforward(size_in, size_out):
    return FeedForwardEncoder(FeedForward(size_in, 1, size_out, torch.nn.Tanh()))


def test_pass_through(padded):
    encoder = PassThroughEncoder(16)
    assert encoder(padded.inputs) is padded.inputs
    outputs = encoder(padded.inputs, padded.mask)
    assert torch.equal(outputs[padded.mask], padded.inputs[padded.mask])


def test_feedforward(padded):
    encoder = feedforward(16, 5)
    expected = encoder._feedforward(padded.inputs)
    assert torch.equal(encoder(padded.inputs), expected)
    assert torch.equal(encoder(padded.inputs, padded.mask)[padded.mask], expected[padded.mask])
    assert set(encoder.state_dict()) == {
        "_feedforward._linear_layers.0.weight",
        "_feedforward._linear_layers.0.bias",
    }


def test_compose(padded):
    first, second = feedforward(16, 5), feedforward(5, 3)
    encoder = ComposeEncoder([first, second])
    expected = second(first(padded.inputs, padded.mask), padded.mask)
    assert torch.equal(encoder(padded.inputs, padded.mask), expected)
    assert (encoder.get_input_dim(), encoder.get_output_dim()) == (16, 3)
    assert {name.split(".")[0] for name in encoder.state_dict()} == {"encoder0", "encoder1"}
    both = ComposeEncoder(
        [GruSeq2SeqEncoder(4, 2, bidirectional=True), GruSeq2SeqEncoder(4, 3, bidirectional=True)]
    )
    assert both.is_bidirectional() is True


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        (lambda: [], "at least one encoder"),
        (
            lambda: [feedforward(4, 3), feedforward(2, 2)],
            "encoder 0, 3 wide, to be as wide as the input of encoder 1, 2",
        ),
        (
            lambda: [GruSeq2SeqEncoder(4, 2, bidirectional=True), feedforward(4, 2)],
            r"bidirectional or none, got \[True, False\]",
        ),
    ],
)
def test_compositions_that_make_no_sense(encoders, message):
    with pytest.raises(ValueError, match=message):
        ComposeEncoder(encoders())


def test_the_base_is_abstract():
    for method in ("get_input_dim", "get_output_dim", "is_bidirectional"):
        with pytest.raises(NotImplementedError, match=f"Seq2SeqEncoder has no {method}"):
            getattr(Seq2SeqEncoder(), method)()
