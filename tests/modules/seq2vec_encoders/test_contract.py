"""What holds for every registered Seq2VecEncoder."""

import copy
import itertools
from typing import Any

import pytest
import torch

from nlpreg.common import Params
from nlpreg.modules.seq2vec_encoders import Seq2VecEncoder

RECURRENT = [
    {"num_layers": num_layers, "bidirectional": bidirectional}
    for num_layers, bidirectional in itertools.product((1, 2), (False, True))
]
DEEP = {"input_size": 16, "hidden_size": 6, "num_layers": 2}
CNN = {"embedding_dim": 16, "num_filters": 5}
HIGHWAY = {"embedding_dim": 16, "filters": [[1, 3], [2, 4]], "num_highway": 2, "projection_dim": 8}
CONFIGS: dict[str, list[dict[str, Any]]] = {
    "lstm": [{"input_size": 16, "hidden_size": 6, **options} for options in RECURRENT],
    "gru": [{"input_size": 16, "hidden_size": 6, **options} for options in RECURRENT],
    "rnn": [
        {"input_size": 16, "hidden_size": 6, "nonlinearity": kind, **options}
        for kind in ("tanh", "relu")
        for options in RECURRENT
    ],
    "augmented_lstm": [
        {"input_size": 16, "hidden_size": 6, "go_forward": forward} for forward in (True, False)
    ],
    "alternating_lstm": [DEEP],
    "stacked_bidirectional_lstm": [DEEP],
    "cnn": [
        {**CNN, "ngram_filter_sizes": [1]},
        {**CNN, "ngram_filter_sizes": [2, 3], "output_dim": 4, "conv_layer_activation": "tanh"},
    ],
    "cnn-highway": [
        {**HIGHWAY, "projection_location": location, "do_layer_norm": normalised, "activation": activation}
        for (location, activation), normalised in itertools.product(
            (("after_cnn", "relu"), ("after_highway", "tanh"), (None, "relu")), (True, False)
        )
    ],
    "boe": [{"embedding_dim": 16, "averaged": averaged} for averaged in (True, False)],
    "bag_of_embeddings": [{"embedding_dim": 16}],
    "cls_pooler": [{"embedding_dim": 16, "cls_is_last_token": last} for last in (True, False)],
}
NEEDS_A_PRETRAINED_MODEL = {"bert_pooler"}
COUNTS_PADDING = {"cnn-highway"}
ZERO_WITHOUT_WORDS = set(CONFIGS) - {"cnn-highway", "cls_pooler"}
CASES = [
    pytest.param(name, i, id=f"{name}-{i}") for name, configs in CONFIGS.items() for i in range(len(configs))
]


def build(name: str, index: int) -> Seq2VecEncoder:
    """An encoder none of whose weights is zero, biases included."""
    torch.manual_seed(5)
    encoder = Seq2VecEncoder.from_params(Params(copy.deepcopy({"type": name, **CONFIGS[name][index]})))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return encoder


def test_every_registered_encoder_is_listed_here():
    assert set(CONFIGS) | NEEDS_A_PRETRAINED_MODEL == set(Seq2VecEncoder.list_available())


@pytest.mark.parametrize(("name", "index"), CASES)
def test_dimensions_are_those_of_the_tensors(name, index, padded):
    encoder = build(name, index)
    assert encoder.get_input_dim() == padded.inputs.size(2)
    vectors = encoder(padded.inputs, padded.mask)
    assert vectors.shape == (len(padded.lengths), encoder.get_output_dim())
    assert vectors.isfinite().all()


@pytest.mark.parametrize(("name", "index"), [case for case in CASES if case.values[0] not in COUNTS_PADDING])
def test_each_row_is_as_if_it_were_alone_and_without_padding(name, index, padded):
    encoder = build(name, index).eval()
    vectors = encoder(padded.inputs, padded.mask)
    for row, length in enumerate(padded.lengths):
        if length:
            alone = encoder(padded.inputs[row : row + 1, :length], padded.mask[row : row + 1, :length])
            torch.testing.assert_close(vectors[row], alone[0], atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize(("name", "index"), [case for case in CASES if case.values[0] not in COUNTS_PADDING])
def test_gradients_are_those_of_the_rows_alone(name, index, padded):
    encoder = build(name, index).double().eval()
    inputs = padded.inputs.double().requires_grad_()
    weight = torch.randn(encoder.get_output_dim(), dtype=torch.double)
    leaves = [inputs, *encoder.parameters()]
    has_words = padded.mask.any(1)
    vectors = encoder(inputs, padded.mask)[has_words]
    together = torch.autograd.grad((vectors @ weight).square().sum(), leaves)
    total = 0.0
    for row, length in enumerate(padded.lengths):
        if length:
            alone = encoder(inputs[row : row + 1, :length], padded.mask[row : row + 1, :length])
            total = total + (alone @ weight).square().sum()
    for found, expected in zip(together, torch.autograd.grad(total, leaves), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-7)
    assert not together[0][~padded.mask].any()


@pytest.mark.parametrize(("name", "index"), CASES)
def test_rows_without_words(name, index, padded):
    encoder = build(name, index)
    vectors = encoder(padded.inputs, torch.zeros_like(padded.mask))
    assert vectors.isfinite().all()
    if name in ZERO_WITHOUT_WORDS and "output_dim" not in CONFIGS[name][index]:
        assert not vectors.any()


@pytest.mark.parametrize(("name", "index"), CASES)
def test_cutting_padding_off_changes_nothing_where_an_encoder_says_so(name, index, padded):
    encoder = build(name, index).eval()
    if encoder.padding_reach() != 0:
        pytest.skip("the vector depends on padding, as padding_reach says")
    steps = max(padded.lengths)
    torch.testing.assert_close(
        encoder(padded.inputs[:, :steps], padded.mask[:, :steps]), encoder(padded.inputs, padded.mask)
    )


@pytest.mark.parametrize(("name", "index"), CASES)
def test_weights_survive_saving_and_copying(name, index, padded):
    encoder = build(name, index).eval()
    expected = encoder(padded.inputs, padded.mask)
    other = build(name, index).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    other.load_state_dict(encoder.state_dict())
    for twin in (other, copy.deepcopy(encoder)):
        assert torch.equal(twin(padded.inputs, padded.mask), expected)
