"""The decoder-only transformer against attention written out by hand."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.seq2seq_encoders import CausalTransformer, Seq2SeqEncoder
from nlpreg.nn.checkpoint import TorchCheckpointWrapper

SIZES = {"input_dim": 16, "num_layers": 2, "num_attention_heads": 4}
VARIANTS = {
    "gpt2": {
        "activation": "gelu",
        "normalization": "layer_norm",
        "positions": "learned",
        "max_length": 12,
        "bias": True,
    },
    "llama": {"num_key_value_heads": 2},
    "one_key_head": {"num_key_value_heads": 1, "activation": "gelu", "rotary_base": 100.0},
}


def build(**options) -> CausalTransformer:
    torch.manual_seed(3)
    encoder = CausalTransformer(**{**SIZES, **options}).double().eval()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return encoder


def normed(norm: nn.Module, x: Tensor) -> Tensor:
    if isinstance(norm, nn.RMSNorm):
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight
    centred = x - x.mean(-1, keepdim=True)
    result = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight
    return result if norm.bias is None else result + norm.bias


def rotated(x: Tensor, base: float) -> Tensor:
    """(T, H, W): pairs of values as complex numbers, multiplied by e^(i position frequency)."""
    half = x.size(-1) // 2
    pairs = torch.complex(x[..., :half], x[..., half:])
    frequencies = torch.tensor([base ** (-2 * i / x.size(-1)) for i in range(half)], dtype=torch.double)
    turns = torch.polar(torch.ones(len(x), half, dtype=torch.double), torch.arange(len(x)).outer(frequencies))
    product = pairs * turns.unsqueeze(1)
    return torch.cat([product.real, product.imag], dim=-1)


def expected_outputs(encoder: CausalTransformer, text: Tensor, options: dict) -> Tensor:
    """The encoder's output for one text (T, D), with loops over heads and positions."""
    heads = SIZES["num_attention_heads"]
    key_heads = options.get("num_key_value_heads") or heads
    width = SIZES["input_dim"] // heads
    x = text
    if encoder.position_embedding is not None:
        x = x + encoder.position_embedding.weight[: len(text)]
    for layer in encoder.layers:
        y = normed(layer.attention_norm, x)
        query = layer.attention.query(y).view(-1, heads, width)
        key, value = layer.attention.key_value(y).view(-1, 2, key_heads, width).unbind(1)
        if encoder.position_embedding is None:
            base = options.get("rotary_base", 10000.0)
            query, key = rotated(query, base), rotated(key, base)
        mixed = torch.zeros(len(text), heads, width, dtype=torch.double)
        for head in range(heads):
            group = head * key_heads // heads
            for t in range(len(text)):
                scores = torch.einsum("w,sw->s", query[t, head], key[: t + 1, group]) / math.sqrt(width)
                mixed[t, head] = torch.einsum("s,sw->w", scores.softmax(0), value[: t + 1, group])
        x = x + layer.attention.output(mixed.flatten(1))
        y = layer.feedforward.input(normed(layer.feedforward_norm, x))
        if options.get("activation", "swiglu") == "swiglu":
            gate, y = y.chunk(2, dim=-1)
            y = gate * torch.sigmoid(gate) * y
        else:
            y = 0.5 * y * (1 + torch.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))
        x = x + layer.feedforward.output(y)
    return normed(encoder.final_norm, x)


@pytest.mark.parametrize("name", VARIANTS)
def test_outputs_are_those_of_attention_written_out(name):
    encoder = build(**VARIANTS[name])
    text = torch.randn(6, 16, dtype=torch.double)
    expected = expected_outputs(encoder, text, VARIANTS[name])
    torch.testing.assert_close(encoder(text.unsqueeze(0), None)[0], expected)


def test_rotary_scores_depend_on_the_distance_only():
    encoder = build(num_layers=1)
    rotation = encoder._rotation(torch.tensor([[3, 10, 1003, 1010]]), torch.zeros(1, dtype=torch.double))
    from nlpreg.modules.seq2seq_encoders.causal_transformer import _rotated

    query, key = torch.randn(2, 4, dtype=torch.double)
    queries = _rotated(query.expand(1, 1, 4, 4), *rotation)[0, 0]
    keys = _rotated(key.expand(1, 1, 4, 4), *rotation)[0, 0]
    assert torch.dot(queries[1], keys[0]).item() == pytest.approx(
        torch.dot(queries[3], keys[2]).item(), abs=1e-9
    )
    assert torch.dot(queries[1], keys[0]).item() != pytest.approx(
        torch.dot(queries[0], keys[0]).item(), abs=1e-3
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_documents_of_a_row_do_not_see_each_other(name):
    encoder = build(**VARIANTS[name])
    first, second = torch.randn(5, 16, dtype=torch.double), torch.randn(4, 16, dtype=torch.double)
    documents = torch.tensor([[7] * 5 + [2] * 4])
    packed = encoder(torch.cat([first, second]).unsqueeze(0), None, documents=documents)[0]
    torch.testing.assert_close(packed[:5], encoder(first.unsqueeze(0), None)[0])
    torch.testing.assert_close(packed[5:], encoder(second.unsqueeze(0), None)[0])


def test_a_cache_grows_beyond_its_first_size():
    encoder = build()
    text = torch.randn(2, 150, 16, dtype=torch.double)
    mask = torch.ones(2, 150, dtype=torch.bool)
    state, outputs = None, []
    for piece in (slice(0, 60), slice(60, 70), *(slice(t, t + 1) for t in range(70, 150))):
        output, state = encoder.step(text[:, piece], mask[:, piece], state)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, dim=1), encoder(text, mask))


def test_weights_that_write_to_the_residual_stream_are_smaller_in_deep_models():
    torch.manual_seed(0)
    encoder = CausalTransformer(
        input_dim=64, num_layers=8, num_attention_heads=4, initializer_range=0.1, bias=True
    )
    for layer in encoder.layers:
        assert layer.attention.query.weight.std().item() == pytest.approx(0.1, rel=0.1)
        assert layer.feedforward.input.weight.std().item() == pytest.approx(0.1, rel=0.1)
        assert layer.attention.output.weight.std().item() == pytest.approx(0.1 / 4, rel=0.1)
        assert layer.feedforward.output.weight.std().item() == pytest.approx(0.1 / 4, rel=0.1)
        assert not layer.attention.query.bias.any()


def test_recomputed_activations_give_the_same_gradients():
    gradients = []
    for wrapper in (None, TorchCheckpointWrapper()):
        encoder = build(checkpoint_wrapper=wrapper).train()
        torch.manual_seed(0)
        inputs = torch.randn(2, 5, 16, dtype=torch.double, requires_grad=True)
        encoder(inputs, torch.ones(2, 5)).pow(2).sum().backward()
        gradients.append([inputs.grad, *(parameter.grad for parameter in encoder.parameters())])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed)


@pytest.mark.parametrize("name", VARIANTS)
def test_dropout_of_the_input_of_both_parts_and_of_attention_weights(name, monkeypatch):
    probabilities = []
    attend = functional.scaled_dot_product_attention

    def recorded(*args, dropout_p, **options):
        probabilities.append(dropout_p)
        return attend(*args, dropout_p=dropout_p, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", recorded)
    inputs = torch.randn(2, 5, 16, dtype=torch.double)
    encoder = build(**{**VARIANTS[name], "bias": True, "dropout": 1.0})
    plain = build(**{**VARIANTS[name], "bias": True})
    torch.testing.assert_close(encoder(inputs, None), plain(inputs, None))
    assert probabilities == [0.0] * 4
    # Nothing gets into the residual stream, not even a bias.
    nothing = encoder.final_norm(torch.zeros_like(inputs))
    torch.testing.assert_close(encoder.train()(inputs, None), nothing)
    assert probabilities[4:] == [1.0] * 2


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({"activation": "gelu"}, 64),
        ({"activation": "swiglu"}, 48),
        ({"activation": "gelu", "feedforward_hidden_dim": 10}, 10),
        ({"activation": "swiglu", "feedforward_hidden_dim": 10}, 10),
    ],
)
def test_width_of_the_feedforward_parts(options, width):
    encoder = build(**options)
    assert {layer.feedforward.output.in_features for layer in encoder.layers} == {width}
    text = torch.randn(6, 16, dtype=torch.double)
    torch.testing.assert_close(encoder(text.unsqueeze(0), None)[0], expected_outputs(encoder, text, options))


def test_all_layers_are_returned_on_request():
    encoder = build(return_all_layers=True)
    inputs, mask = torch.randn(2, 5, 16, dtype=torch.double), torch.ones(2, 5, dtype=torch.bool)
    layers = encoder(inputs, mask)
    assert len(layers) == encoder.num_layers
    encoder._return_all_layers = False
    torch.testing.assert_close(layers[-1], encoder(inputs, mask))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_attention_heads": 3}, "num_attention_heads: expected a divisor of input_dim, 16, got 3"),
        (
            {"num_key_value_heads": 3},
            "num_key_value_heads: expected a divisor of num_attention_heads, 4, got 3",
        ),
        ({"num_attention_heads": 16}, "even width, got 1"),
        ({"positions": "learned"}, "max_length: required with learned positions"),
        ({"dropout": 1.5}, "dropout"),
        ({"num_layers": 0}, "num_layers: expected 1 or more, got 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Seq2SeqEncoder.from_params(Params({"type": "transformer_lm", **SIZES, **options}))


def test_a_text_longer_than_the_positions_is_refused_by_the_key_to_change():
    encoder = build(positions="learned", max_length=4)
    inputs, mask = torch.randn(1, 5, 16, dtype=torch.double), torch.ones(1, 5, dtype=torch.bool)
    with pytest.raises(
        ConfigurationError, match="contextualizer.max_length: there are 4 positions, but a text of 5"
    ):
        encoder(inputs, mask)
    _, state = encoder.step(inputs[:, :4], mask[:, :4])
    with pytest.raises(ConfigurationError, match="contextualizer.max_length"):
        encoder.step(inputs[:, 4:], mask[:, 4:], state)


def test_bfloat16_is_close():
    encoder = build().float()
    inputs = torch.randn(2, 6, 16)
    expected = encoder(inputs, None)
    with torch.autocast("cpu", torch.bfloat16):
        found = encoder(inputs, None)
    torch.testing.assert_close(found.float(), expected, atol=0.1, rtol=0.1)
