"""Filters, highway layers and the projection, written out."""

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.seq2vec_encoders import CnnHighwayEncoder

FILTERS = [[1, 3], [2, 4]]


def written_out(encoder, rows, location, activation):
    responses = []
    for index, (width, _) in enumerate(FILTERS):
        convolution = getattr(encoder, f"char_conv_{index}")
        windows = rows.unfold(1, width, 1)  # (B, T - width + 1, D, width)
        scores = torch.einsum("btdw,fdw->btf", windows, convolution.weight) + convolution.bias
        responses.append(activation(scores.amax(1)))
    vector = torch.cat(responses, dim=1)
    if location == "after_cnn":
        vector = encoder._projection(vector)
    for layer in encoder._highways._layers:
        new, gate = layer(vector).chunk(2, dim=1)
        vector = torch.sigmoid(gate) * vector + (1 - torch.sigmoid(gate)) * torch.relu(new)
    return encoder._projection(vector) if location == "after_highway" else vector


@pytest.mark.parametrize("location", ["after_cnn", "after_highway", None])
@pytest.mark.parametrize(("name", "activation"), [("relu", torch.relu), ("tanh", torch.tanh)])
def test_steps_in_their_order(location, name, activation):
    encoder = CnnHighwayEncoder(3, FILTERS, 2, 6, activation=name, projection_location=location)
    rows = torch.randn(4, 5, 3)
    vectors = encoder(rows, torch.ones(4, 5).bool())
    assert vectors.shape == (4, encoder.get_output_dim()) == (4, 7 if location is None else 6)
    torch.testing.assert_close(vectors, written_out(encoder, rows, location, activation))


def test_layer_norm_comes_last():
    encoder = CnnHighwayEncoder(3, FILTERS, 1, 6, do_layer_norm=True)
    vectors = encoder(torch.randn(4, 5, 3), None)
    torch.testing.assert_close(vectors.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(vectors.std(1, unbiased=False), torch.ones(4), atol=1e-4, rtol=0)


def test_weights_at_the_start():
    encoder = CnnHighwayEncoder(8, [[1, 100], [2, 100]], 1, 6)
    assert encoder.char_conv_0.weight.abs().max() <= 0.05
    assert not encoder.char_conv_0.bias.any()
    layer = encoder._highways._layers[0]
    assert torch.equal(layer.bias, torch.tensor([0.0] * 200 + [2.0] * 200))
    assert abs(layer.weight.std().item() - 200**-0.5) < 0.002
    assert not encoder._projection.bias.any()


def test_choices_that_do_not_exist():
    with pytest.raises(
        ConfigurationError, match=r"activation: expected one of \['relu', 'tanh'\], got 'gelu'"
    ):
        CnnHighwayEncoder(3, FILTERS, 1, 6, activation="gelu")
    with pytest.raises(ConfigurationError, match="projection_location: expected one of .*, got 'before'"):
        CnnHighwayEncoder(3, FILTERS, 1, 6, projection_location="before")


def test_names_of_the_weights():
    names = CnnHighwayEncoder(3, FILTERS, 1, 6, do_layer_norm=True).state_dict()
    assert set(names) == {
        "char_conv_0.weight", "char_conv_0.bias", "char_conv_1.weight", "char_conv_1.bias",
        "_highways._layers.0.weight", "_highways._layers.0.bias", "_projection.weight", "_projection.bias",
        "_layer_norm.gamma", "_layer_norm.beta",
    }  # fmt: skip
