"""Gated convolutions, position by position."""

import math

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.seq2seq_encoders import GatedCnnEncoder
from nlpreg.modules.seq2seq_encoders.gated_cnn_encoder import ResidualBlock

LAYERS = [[[4, 3], [2, 5, 2]], [[1, 5]]]


def written_out(block, spacing, words, is_forward):
    """One block over one row (T, D) of words alone."""
    current = words
    for convolution, (width, dilation) in zip(block._convolutions, spacing, strict=True):
        length = convolution.weight_v.flatten(1).norm(dim=1).view(-1, 1, 1)
        weight = convolution.weight_g * convolution.weight_v / length  # (2C, D, width)
        outputs = []
        for position in range(len(current)):
            total = convolution.bias.clone()
            for tap in range(width):
                back = (width - 1 - tap) * dilation if is_forward else -tap * dilation
                if 0 <= position - back < len(current):
                    total = total + weight[:, :, tap] @ current[position - back]
            value, gate = total.chunk(2)
            outputs.append(value * torch.sigmoid(gate))
        current = torch.stack(outputs)
    return (current + words) * math.sqrt(0.5)


@pytest.mark.parametrize("all_layers", [False, True])
def test_rows_of_words_alone(all_layers):
    encoder = GatedCnnEncoder(5, LAYERS, return_all_layers=all_layers)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    lengths = [6, 1, 3]
    inputs, mask = torch.randn(3, 6, 5), torch.arange(6) < torch.tensor(lengths).unsqueeze(1)
    outputs = encoder(inputs, mask)
    outputs = outputs if all_layers else [outputs]
    spacings = [[(4, 1), (2, 2)], [(1, 1)]]
    for row, length in enumerate(lengths):
        ahead = back = inputs[row, :length]
        expected = []
        for block, spacing in enumerate(spacings):
            ahead = written_out(encoder._forward_residual_blocks[block], spacing, ahead, True)
            back = written_out(encoder._backward_residual_blocks[block], spacing, back, False)
            expected.append(torch.cat([ahead, back], dim=1))
        for found, layer in zip(outputs, expected if all_layers else expected[-1:], strict=True):
            torch.testing.assert_close(found[row, :length], layer, atol=1e-5, rtol=1e-4)


def test_scale_of_the_first_weights():
    block = ResidualBlock(400, [[3, 300], [1, 400]], "forward", dropout=0.2)
    first, second = block._convolutions
    assert abs(first.weight_v.std().item() - math.sqrt(4 * 0.8 / (3 * 400))) < 1e-3
    assert abs(second.weight_v.std().item() - math.sqrt(4 / 300)) < 1e-3
    torch.testing.assert_close(first.weight_g.flatten(), first.weight_v.flatten(1).norm(dim=1))
    assert not first.bias.any()


def test_without_weight_norm():
    block = ResidualBlock(4, [[2, 4]], "backward", do_weight_norm=False)
    assert set(block.state_dict()) == {"_convolutions.0.weight", "_convolutions.0.bias"}
    assert block(torch.randn(1, 4, 3)).shape == (1, 4, 3)


def test_dropout_on_the_input_of_a_block_only():
    block = ResidualBlock(1, [[1, 1]], "forward", dropout=0.5)
    x = torch.ones(1, 1, 1000)
    assert block(x).unique().numel() == 2
    assert block.eval()(x).unique().numel() == 1


def test_names_of_the_weights():
    names = set(GatedCnnEncoder(5, LAYERS).state_dict())
    assert names == {
        f"_{direction}_residual_blocks.{block}._convolutions.{convolution}.{name}"
        for direction in ("forward", "backward")
        for block, convolution in ((0, 0), (0, 1), (1, 0))
        for name in ("weight_g", "weight_v", "bias")
    }


@pytest.mark.parametrize(
    ("layer", "direction", "error", "message"),
    [
        ([[2, 5]], "sideways", ConfigurationError, "'forward' or 'backward', got 'sideways'"),
        ([[2, 4]], "forward", ConfigurationError, "the last channels of a block to be input_dim, 5, got 4"),
        ([[2]], "forward", ValueError, r"got \[2\]"),
        ([[3, 5, 2]], "forward", ValueError, r"\[2, channels, dilation\], got \[3, 5, 2\]"),
    ],
)
def test_blocks_that_make_no_sense(layer, direction, error, message):
    with pytest.raises(error, match=message):
        ResidualBlock(5, layer, direction)


def test_number_of_layers():
    assert GatedCnnEncoder(5, LAYERS).num_layers == 2
