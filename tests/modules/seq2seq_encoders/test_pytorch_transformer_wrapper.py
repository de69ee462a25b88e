"""torch's transformer: positions, what a position sees, and names."""

import pytest
import torch

from nlpreg.modules.seq2seq_encoders import PytorchTransformer
from nlpreg.nn.util import add_positional_features


def build(**options):
    torch.manual_seed(0)
    return PytorchTransformer(16, 2, feedforward_hidden_dim=12, num_attention_heads=4, **options).eval()


def test_layers_are_those_of_torch(padded):
    encoder = build()
    row = padded.inputs[2:3, :6]
    x = row
    for layer in encoder._transformer.layers:
        attended = layer.self_attn(x, x, x, need_weights=True)[0]
        x = layer.norm1(x + attended)
        x = layer.norm2(x + layer.linear2(torch.relu(layer.linear1(x))))
    torch.testing.assert_close(encoder(padded.inputs, padded.mask)[2:3, :6], x, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoder(row, None), x, atol=1e-5, rtol=1e-4)


def test_positions(padded):
    plain, sines, learned = (
        build(),
        build(positional_encoding="sinusoidal"),
        build(positional_encoding="embedding"),
    )
    sines.load_state_dict(plain.state_dict())
    learned.load_state_dict(plain.state_dict(), strict=False)
    torch.testing.assert_close(
        sines(padded.inputs, padded.mask), plain(add_positional_features(padded.inputs), padded.mask)
    )
    shifted = padded.inputs + learned._positional_embedding.weight[:7]
    torch.testing.assert_close(learned(padded.inputs, padded.mask), plain(shifted, padded.mask))
    assert learned._positional_embedding.weight.shape == (512, 16)
    with pytest.raises(ValueError, match="'sinusoidal', 'embedding' or None, got 'rotary'"):
        build(positional_encoding="rotary")


def test_outputs_keep_the_length_of_the_batch(padded):
    mask = padded.mask.clone()
    mask[:, 3:] = False
    with torch.no_grad():
        assert build()(padded.inputs, mask).shape == (9, 7, 16)


def test_training_and_evaluation_agree_without_dropout(padded):
    for causal in (False, True):
        encoder = build(dropout_prob=0.0, causal=causal)
        with torch.no_grad():
            evaluated = encoder(padded.inputs, padded.mask)
        trained = encoder.train()(padded.inputs, padded.mask)
        torch.testing.assert_close(trained[padded.mask], evaluated[padded.mask], atol=1e-5, rtol=1e-4)


def test_names_of_the_weights():
    names = set(build(positional_encoding="embedding").state_dict())
    assert "_positional_embedding.weight" in names
    assert {name.split(".")[0] for name in names} == {"_transformer", "_positional_embedding"}
    assert "_transformer.layers.1.self_attn.in_proj_weight" in names
    assert len(names) == 1 + 2 * 12


def test_activation():
    encoder = build(activation="gelu")
    assert encoder._transformer.layers[0].activation is torch.nn.functional.gelu
