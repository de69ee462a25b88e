"""Both transformers against the attention of their paper written out."""

import math

import pytest
import torch

from nlpreg.modules.seq2seq_encoders import BidirectionalLanguageModelTransformer
from nlpreg.modules.seq2seq_encoders.bidirectional_lm_transformer import PositionalEncoding, subsequent_mask

D, F, HEADS = 16, 12, 8


def normalised(norm, x):
    deviation = x.std(-1, unbiased=False, keepdim=True)
    return norm.gamma * (x - x.mean(-1, keepdim=True)) / deviation + norm.beta


def written_out(transformer, x, allowed):
    """All layers of one direction over one row (T, D), the last one normalised."""
    outputs = []
    for layer in transformer.layers:
        z = normalised(layer.sublayer[0].norm, x)
        query, key, value = (linear(z).view(len(x), HEADS, -1) for linear in layer.self_attn.linears[:3])
        heads = []
        for head in range(HEADS):
            scores = query[:, head] @ key[:, head].T / math.sqrt(D / HEADS)
            heads.append(scores.masked_fill(~allowed, -math.inf).softmax(-1) @ value[:, head])
        x = x + layer.self_attn.linears[3](torch.cat(heads, dim=1))
        z = normalised(layer.sublayer[1].norm, x)
        x = x + layer.feed_forward.w_2(torch.relu(layer.feed_forward.w_1(z)))
        outputs.append(x)
    return [*outputs[:-1], normalised(transformer.norm, x)]


@pytest.mark.parametrize("all_layers", [False, True])
def test_both_directions(all_layers, padded):
    encoder = BidirectionalLanguageModelTransformer(D, F, 3, return_all_layers=all_layers).eval()
    outputs = encoder(padded.inputs, padded.mask)
    outputs = outputs if all_layers else [outputs]
    positions = encoder._position.positional_encoding[0]
    for row, length in enumerate(padded.lengths):
        if length == 0:
            continue
        x = padded.inputs[row, :length] + positions[:length]
        before = torch.ones(length, length).tril().bool()
        ahead = written_out(encoder._forward_transformer, x, before)
        back = written_out(encoder._backward_transformer, x, before.T)
        expected = [torch.cat(pair, dim=1) for pair in zip(ahead, back, strict=True)]
        for found, layer in zip(outputs, expected if all_layers else expected[-1:], strict=True):
            torch.testing.assert_close(found[row, :length], layer, atol=1e-4, rtol=1e-4)


def test_masks():
    encoder = BidirectionalLanguageModelTransformer(8, 4, 1)
    ahead, back = encoder.get_attention_masks(torch.tensor([[True, True, False]]))
    assert ahead.tolist() == [[[True, False, False], [True, True, False], [False, False, False]]]
    assert back.tolist() == [[[True, True, False], [False, True, False], [False, False, False]]]
    assert subsequent_mask(2).tolist() == [[[True, False], [True, True]]]


def test_positions():
    encoding = PositionalEncoding(8)
    expected = torch.tensor([0.841471, 0.540302, 0.099833, 0.995004, 0.01, 0.99995, 0.001, 1.0])
    torch.testing.assert_close(encoding(torch.zeros(1, 2, 8))[0, 1], expected, atol=1e-5, rtol=0)
    assert encoding.positional_encoding.shape == (1, 5000, 8)
    with pytest.raises(ValueError, match="sequences of at most 3 words, got 4"):
        PositionalEncoding(8, max_len=3)(torch.zeros(1, 4, 8))


def test_attributes_and_dropout(padded):
    encoder = BidirectionalLanguageModelTransformer(D, F, 2, dropout=0.0, input_dropout=0.5)
    assert encoder.num_layers == encoder.transformer_layers == 2
    assert encoder.get_regularization_penalty() == 0.0
    assert encoder.get_output_dim() == encoder.output_dim == 2 * encoder.input_dim
    assert not torch.equal(encoder(padded.inputs, padded.mask), encoder(padded.inputs, padded.mask))
    encoder = BidirectionalLanguageModelTransformer(D, F, 2, dropout=0.5)
    assert not torch.equal(encoder(padded.inputs, padded.mask), encoder(padded.inputs, padded.mask))


def test_names_of_the_weights():
    shapes = {
        name: tuple(weight.shape)
        for name, weight in BidirectionalLanguageModelTransformer(8, 4, 2).state_dict().items()
    }
    assert shapes.pop("_position.positional_encoding") == (1, 5000, 8)
    expected = {}
    for part in ("_forward_transformer", "_backward_transformer"):
        expected |= {f"{part}.norm.gamma": (8,), f"{part}.norm.beta": (8,)}
        for layer in range(2):
            name = f"{part}.layers.{layer}"
            expected |= {f"{name}.self_attn.linears.{k}.weight": (8, 8) for k in range(4)}
            expected |= {f"{name}.self_attn.linears.{k}.bias": (8,) for k in range(4)}
            expected |= {f"{name}.feed_forward.w_1.weight": (4, 8), f"{name}.feed_forward.w_1.bias": (4,)}
            expected |= {f"{name}.feed_forward.w_2.weight": (8, 4), f"{name}.feed_forward.w_2.bias": (8,)}
            expected |= {
                f"{name}.sublayer.{k}.norm.{kind}": (8,) for k in range(2) for kind in ("gamma", "beta")
            }
    assert shapes == expected


def test_directions_start_from_weights_of_their_own():
    encoder = BidirectionalLanguageModelTransformer(8, 4, 2)
    first, second = encoder._forward_transformer.layers
    assert not torch.equal(first.self_attn.linears[0].weight, second.self_attn.linears[0].weight)
    other = encoder._backward_transformer.layers[0]
    assert not torch.equal(first.self_attn.linears[0].weight, other.self_attn.linears[0].weight)


def test_attention_with_dropout_is_the_fused_one_on_average():
    """With so little dropout that nothing falls, training and evaluation agree."""
    encoder = BidirectionalLanguageModelTransformer(D, F, 2, dropout=1e-9)
    inputs, mask = torch.randn(2, 6, D), torch.arange(6) < torch.tensor([[6], [4]])
    trained = encoder(inputs, mask)
    torch.testing.assert_close(encoder.eval()(inputs, mask), trained, atol=1e-5, rtol=1e-4)
