"""What holds for every registered Seq2SeqEncoder."""

import copy
import itertools
from typing import Any

import pytest
import torch

from nlpreg.common import Params
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder

RECURRENT = [
    {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias}
    for num_layers, bidirectional, bias in itertools.product((1, 2), (False, True), (True, False))
]
DEEP = {"input_size": 16, "hidden_size": 6, "num_layers": 3}
FEEDFORWARD = {"input_dim": 16, "num_layers": 2, "hidden_dims": [8, 10], "activations": "relu"}
CONFIGS: dict[str, list[dict[str, Any]]] = {
    "lstm": [{"input_size": 16, "hidden_size": 6, **options} for options in RECURRENT],
    "gru": [{"input_size": 16, "hidden_size": 6, **options} for options in RECURRENT],
    "rnn": [
        {"input_size": 16, "hidden_size": 6, "nonlinearity": kind, **options}
        for kind in ("tanh", "relu")
        for options in RECURRENT
    ],
    "augmented_lstm": [
        {"input_size": 16, "hidden_size": 6, "go_forward": go_forward, "use_highway": use_highway}
        for go_forward, use_highway in itertools.product((True, False), (True, False))
    ],
    "alternating_lstm": [DEEP, {**DEEP, "use_highway": False, "use_input_projection_bias": False}],
    "stacked_bidirectional_lstm": [DEEP, {**DEEP, "use_highway": False}],
    "awd_lstm": [
        {"input_size": 16, "hidden_size": 6, "num_layers": 2, "output_size": 5},
        {"input_size": 16, "hidden_size": 6, "num_layers": 1, "temporal_penalty_weight": 1.0},
    ],
    "pass_through": [{"input_dim": 16}],
    "feedforward": [{"feedforward": FEEDFORWARD}],
    "compose": [
        {
            "encoders": [
                {"type": "feedforward", "feedforward": FEEDFORWARD},
                {"type": "pass_through", "input_dim": 10},
            ]
        }
    ],
    "pytorch_transformer": [
        {
            "input_dim": 16,
            "num_layers": 2,
            "feedforward_hidden_dim": 12,
            "num_attention_heads": 4,
            "positional_encoding": positions,
            "causal": causal,
        }
        for positions, causal in itertools.product((None, "sinusoidal", "embedding"), (True, False))
    ],
    "transformer_lm": [
        {
            "input_dim": 16,
            "num_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": key_value_heads,
            "activation": activation,
            "normalization": normalization,
            "positions": positions,
            "max_length": 7,
            "bias": bias,
        }
        for key_value_heads, activation, normalization, positions, bias in (
            (None, "swiglu", "rms_norm", "rotary", False),
            (2, "gelu", "layer_norm", "learned", True),
            (1, "swiglu", "layer_norm", "rotary", True),
        )
    ],
    "gated-cnn-encoder": [
        {"input_dim": 16, "layers": [[[4, 8], [2, 16, 2]], [[1, 16]]], "dropout": 0.1},
    ],
    "bidirectional_language_model_transformer": [
        {"input_dim": 16, "hidden_dim": 12, "num_layers": 2, "input_dropout": 0.1}
    ],
}
ZERO_AT_PADDING = {
    "lstm", "gru", "rnn", "augmented_lstm", "alternating_lstm", "stacked_bidirectional_lstm",
    "awd_lstm", "pass_through", "feedforward", "compose", "transformer_lm", "pytorch_transformer", "gated-cnn-encoder",
    "bidirectional_language_model_transformer",
}  # fmt: skip
CASES = [
    pytest.param(name, i, id=f"{name}-{i}") for name, configs in CONFIGS.items() for i in range(len(configs))
]


def build(name: str, index: int) -> Seq2SeqEncoder:
    """An encoder none of whose weights is zero, biases included."""
    torch.manual_seed(5)
    encoder = Seq2SeqEncoder.from_params(Params(copy.deepcopy({"type": name, **CONFIGS[name][index]})))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return encoder


def test_every_registered_encoder_is_listed_here():
    assert sorted(CONFIGS) == sorted(Seq2SeqEncoder.list_available())


@pytest.mark.parametrize(("name", "index"), CASES)
def test_dimensions_are_those_of_the_tensors(name, index, padded):
    encoder = build(name, index)
    assert encoder.get_input_dim() == padded.inputs.size(2)
    assert encoder(padded.inputs, padded.mask).shape == (*padded.mask.shape, encoder.get_output_dim())
    assert isinstance(encoder.is_bidirectional(), bool)


@pytest.mark.parametrize(("name", "index"), CASES)
def test_each_row_is_as_if_it_were_alone_and_without_padding(name, index, padded):
    encoder = build(name, index).eval()
    outputs = encoder(padded.inputs, padded.mask)
    assert outputs.isfinite().all()
    for row, length in enumerate(padded.lengths):
        if length:
            alone = encoder(padded.inputs[row : row + 1, :length], padded.mask[row : row + 1, :length])
            torch.testing.assert_close(outputs[row, :length], alone[0], atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize(("name", "index"), CASES)
def test_gradients_are_those_of_the_rows_alone(name, index, padded):
    encoder = build(name, index).double().eval()
    inputs = padded.inputs.double().requires_grad_()
    weight = torch.randn(encoder.get_output_dim(), dtype=torch.double)
    parameters = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    outputs = encoder(inputs, padded.mask)[padded.mask] @ weight
    together = torch.autograd.grad(outputs.pow(2).sum(), [inputs, *parameters], allow_unused=True)
    total = 0.0
    for row, length in enumerate(padded.lengths):
        if length:
            alone = encoder(inputs[row : row + 1, :length], padded.mask[row : row + 1, :length])
            total = total + (alone @ weight).pow(2).sum()
    separately = torch.autograd.grad(total, [inputs, *parameters], allow_unused=True)
    for found, expected in zip(together, separately, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-7)
    assert not together[0][~padded.mask].any()


@pytest.mark.parametrize(("name", "index"), CASES)
def test_padding_is_zero_or_at_least_finite(name, index, padded):
    encoder = build(name, index)
    outputs = encoder(padded.inputs, padded.mask)
    nothing = encoder(padded.inputs, torch.zeros_like(padded.mask))
    assert outputs.isfinite().all() and nothing.isfinite().all()
    if name in ZERO_AT_PADDING:
        assert not outputs[~padded.mask].any()
        assert not nothing.any()


@pytest.mark.parametrize(("name", "index"), CASES)
def test_one_word_and_no_padding(name, index, padded):
    encoder = build(name, index).eval()
    mask = torch.ones(1, 1, dtype=torch.bool)
    assert encoder(padded.inputs[:1, :1], mask).shape == (1, 1, encoder.get_output_dim())


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


CAUSAL = next(i for i, config in enumerate(CONFIGS["pytorch_transformer"]) if config["causal"])
SEES_ONE_SIDE = [
    ("lstm", 0), ("lstm", 2), ("lstm", 4), ("gru", 2), ("rnn", 2), ("augmented_lstm", 0),
    ("pytorch_transformer", CAUSAL), ("transformer_lm", 0), ("transformer_lm", 1), ("gated-cnn-encoder", 0), ("bidirectional_language_model_transformer", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "index"), SEES_ONE_SIDE)
def test_a_direction_sees_its_side_only(name, index):
    encoder = build(name, index).eval()
    inputs = torch.randn(1, 5, 16, requires_grad=True)
    outputs = encoder(inputs, torch.ones(1, 5, dtype=torch.bool))
    halves = outputs.chunk(2, dim=2) if encoder.is_bidirectional() else [outputs]
    weight = torch.randn(halves[0].size(2))
    for position, (direction, half) in itertools.product(range(5), enumerate(halves)):
        (gradient,) = torch.autograd.grad(half[0, position] @ weight, inputs, retain_graph=True)
        seen = gradient[0].abs().sum(1) > 0
        to_see = torch.arange(5) <= position if direction == 0 else torch.arange(5) >= position
        assert not (seen & ~to_see).any()
        assert seen[position]


READS_FORWARD = [
    ("lstm", 0), ("lstm", 4), ("gru", 4), ("rnn", 4), ("augmented_lstm", 0), ("awd_lstm", 0), ("pass_through", 0),
    ("feedforward", 0),
    ("compose", 0), ("pytorch_transformer", CAUSAL), ("gated-cnn-encoder", 0), ("transformer_lm", 0),
    ("transformer_lm", 1), ("transformer_lm", 2), ("bidirectional_language_model_transformer", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "index"), READS_FORWARD)
@pytest.mark.parametrize("cuts", [[7], [1, 1, 1, 1, 1, 1, 1], [3, 0, 2, 2]])
def test_reading_piece_by_piece_equals_reading_at_once(name, index, cuts, padded):
    encoder = build(name, index).eval()
    width = encoder.get_output_dim() // (2 if encoder.is_bidirectional() else 1)
    expected = encoder(padded.inputs, padded.mask)[..., :width]
    state, outputs, start = None, [], 0
    for size in cuts:
        piece = slice(start, start + size)
        output, state = encoder.step(padded.inputs[:, piece], padded.mask[:, piece], state)
        assert all(part.size(0) == padded.inputs.size(0) for part in state.values())
        outputs.append(output)
        start += size
    together = torch.cat(outputs, dim=1)[..., :width]
    torch.testing.assert_close(together[padded.mask], expected[padded.mask], atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize(("name", "index"), READS_FORWARD)
def test_rows_of_different_lengths_are_continued_where_they_end(name, index, padded):
    encoder = build(name, index).eval()
    width = encoder.get_output_dim() // (2 if encoder.is_bidirectional() else 1)
    _, state = encoder.step(padded.inputs[:, :6], padded.mask[:, :6])
    rows = torch.tensor([3, 1, 2, 2])  # select, reorder and repeat, as a beam search does
    state = {part: tensor.index_select(0, rows) for part, tensor in state.items()}
    following = torch.randn(4, 1, 16, generator=torch.Generator().manual_seed(3))
    outputs, _ = encoder.step(following, torch.ones(4, 1, dtype=torch.bool), state)
    for i, row in enumerate(rows.tolist()):
        length = padded.lengths[row]
        text = torch.cat([padded.inputs[row : row + 1, :length], following[i : i + 1]], dim=1)
        expected = encoder(text, torch.ones(text.shape[:2], dtype=torch.bool))
        torch.testing.assert_close(outputs[i, 0, :width], expected[0, -1, :width], atol=2e-6, rtol=1e-4)
