"""The largest responses of filters, window by window."""

import pytest
import torch

from nlpreg.modules.seq2vec_encoders import CnnEncoder


def written_out(encoder, words, sizes):
    """One row (T, D) of words alone: every window, every filter."""
    responses = []
    for index, size in enumerate(sizes):
        convolution = getattr(encoder, f"conv_layer_{index}")
        windows = [
            torch.relu(
                torch.einsum("fdw,wd->f", convolution.weight, words[start : start + size]) + convolution.bias
            )
            for start in range(len(words) - size + 1)
        ]
        responses.append(torch.stack(windows).amax(0) if windows else torch.zeros(convolution.out_channels))
    return torch.cat(responses)


@pytest.mark.parametrize("sizes", [(1,), (3,), (2, 3, 4, 5)])
def test_only_windows_inside_the_words_count(sizes, padded):
    encoder = CnnEncoder(16, 5, ngram_filter_sizes=sizes)
    vectors = encoder(padded.inputs, padded.mask)
    for row, length in enumerate(padded.lengths):
        expected = written_out(encoder, padded.inputs[row, :length], sizes)
        torch.testing.assert_close(vectors[row], expected, atol=1e-5, rtol=1e-4)


def test_activations_of_either_sign_are_largest_among_words_only(padded):
    """With an activation that may be negative, padding must not win with zero."""
    from nlpreg.nn.activations import Activation

    encoder = CnnEncoder(16, 5, ngram_filter_sizes=(2,), conv_layer_activation=Activation.by_name("tanh")())
    with torch.no_grad():
        encoder.conv_layer_0.bias.fill_(-30.0)
    vectors = encoder(padded.inputs, padded.mask)
    assert (vectors[2] < -0.9).all()
    assert not vectors[1].any()


def test_a_projection_and_its_width(padded):
    encoder = CnnEncoder(16, 5, ngram_filter_sizes=(2, 3), output_dim=4)
    plain = CnnEncoder(16, 5, ngram_filter_sizes=(2, 3))
    plain.load_state_dict(encoder.state_dict(), strict=False)
    expected = encoder.projection_layer(plain(padded.inputs, padded.mask))
    torch.testing.assert_close(encoder(padded.inputs, padded.mask), expected)


def test_without_a_mask_everything_counts(padded):
    encoder = CnnEncoder(16, 5)
    everything = torch.ones_like(padded.mask)
    torch.testing.assert_close(encoder(padded.inputs), encoder(padded.inputs, everything))


def test_a_filter_wider_than_the_batch_responds_with_zero():
    encoder = CnnEncoder(2, 3, ngram_filter_sizes=(4,))
    assert not encoder(torch.ones(1, 3, 2), torch.ones(1, 3).bool()).any()
    assert not encoder(torch.ones(1, 3, 2)).any()


def test_names_of_the_weights():
    names = CnnEncoder(2, 3, ngram_filter_sizes=(2, 3), output_dim=4).state_dict()
    assert {name: tuple(weight.shape) for name, weight in names.items()} == {
        "conv_layer_0.weight": (3, 2, 2),
        "conv_layer_0.bias": (3,),
        "conv_layer_1.weight": (3, 2, 3),
        "conv_layer_1.bias": (3,),
        "projection_layer.weight": (4, 6),
        "projection_layer.bias": (4,),
    }
