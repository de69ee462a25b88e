"""Parts of transformers with the weights of a pretrained one, against that model, and by themselves."""

import pytest
import torch

from nlpreg.common import Params, cached_transformers
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.transformer import (
    ActivationLayer,
    AttentionLayer,
    Embeddings,
    SelfAttention,
    SinusoidalPositionalEncoding,
    TransformerEmbeddings,
    TransformerLayer,
    TransformerPooler,
    TransformerStack,
)
from nlpreg.nn.util import add_positional_features

IDS = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]])
MASK = IDS > 0


@pytest.fixture
def bert(tiny_transformer):
    return cached_transformers.get(tiny_transformer, make_copy=True).eval()


def test_embeddings_layers_and_pooler_are_those_of_the_model(tiny_transformer, bert):
    embeddings = TransformerEmbeddings.from_pretrained_module(tiny_transformer).eval()
    stack = TransformerStack.from_pretrained_module(tiny_transformer).eval()
    pooler = TransformerPooler.from_pretrained_module(tiny_transformer).eval()
    expected = bert(IDS, attention_mask=MASK.long(), output_hidden_states=True)
    embedded = embeddings(IDS)
    torch.testing.assert_close(embedded, expected.hidden_states[0])
    output = stack(embedded, MASK, output_hidden_states=True, output_attentions=True)
    for found, state in zip(output.all_hidden_states, expected.hidden_states, strict=True):
        torch.testing.assert_close(found[MASK], state[MASK], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        pooler(output.final_hidden_states), expected.pooler_output, atol=1e-5, rtol=1e-4
    )
    for weights in output.all_self_attentions:
        assert weights.shape == (2, 2, 4, 4)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 4))
        assert not weights[1, :, :, 3].any()


@pytest.mark.parametrize("cls", [TransformerLayer, AttentionLayer, SelfAttention])
def test_the_first_layer_by_itself(tiny_transformer, bert, cls):
    part = cls.from_pretrained_module(tiny_transformer).eval()
    states = torch.randn(2, 4, 8)
    layer = bert.encoder.layer[0]
    theirs = {
        TransformerLayer: layer,
        AttentionLayer: layer.attention,
        SelfAttention: layer.attention.self,
    }[cls]
    expected = theirs(states)
    expected = expected[0] if isinstance(expected, tuple) else expected
    torch.testing.assert_close(part(states).hidden_states, expected, atol=1e-5, rtol=1e-4)


def test_sizes_alone_and_other_arguments(tiny_transformer):
    stack = TransformerStack.from_pretrained_module(
        tiny_transformer, load_weights=False, num_hidden_layers=1, add_cross_attention=True
    )
    assert len(stack.layers) == 1
    states, others = torch.randn(2, 4, 8), torch.randn(2, 3, 8)
    output = stack(states, MASK, others, torch.ones(2, 3), output_attentions=True)
    assert output.all_cross_attentions[0].shape == (2, 2, 4, 3)
    with pytest.raises(ConfigurationError, match=r"relevant_module: .* has none of \['decoder'\]"):
        TransformerStack.from_pretrained_module(tiny_transformer, relevant_module="decoder")


@pytest.mark.parametrize("dtype", [torch.bool, torch.long, torch.float])
def test_padding_has_no_influence(dtype):
    stack = TransformerStack.from_params(
        Params(
            {
                "num_hidden_layers": 2,
                "hidden_size": 8,
                "intermediate_size": 6,
                "num_attention_heads": 2,
                "hidden_dropout": 0.0,
                "attention_dropout": 0.0,
            }
        )
    )
    states = torch.randn(2, 4, 8)
    together = stack(states, MASK.to(dtype)).final_hidden_states
    alone = stack(states[1:, :3], MASK[1:, :3].to(dtype)).final_hidden_states
    torch.testing.assert_close(together[1, :3], alone[0])


def test_sums_of_embeddings():
    tables = torch.nn.ModuleDict({"a": torch.nn.Embedding(5, 4), "b": torch.nn.Embedding(3, 4)})
    embeddings = Embeddings(tables, 4, dropout=0.0)
    ids = torch.tensor([[1, 2]])
    expected = torch.nn.functional.layer_norm(tables["a"](ids) + tables["b"](ids), (4,), eps=1e-12)
    torch.testing.assert_close(embeddings(ids, ids), expected)
    with pytest.raises(ValueError, match="expected 2 inputs, got 1"):
        embeddings(ids)
    with pytest.raises(ValueError, match="inputs of one shape"):
        embeddings(ids, ids[:, :1])
    with pytest.raises(ValueError, match="expected a to have embedding_size, 6, dimensions, got 4"):
        Embeddings(tables, 6, dropout=0.0)


def test_small_parts():
    states = torch.randn(2, 3, 4)
    layer = ActivationLayer(4, 5, "relu", pool=True)
    torch.testing.assert_close(layer(states), layer.dense(states[:, 0]).relu())
    torch.testing.assert_close(SinusoidalPositionalEncoding()(states), add_positional_features(states))
    with pytest.raises(ConfigurationError, match="num_attention_heads: expected a divisor of hidden_size, 4"):
        SelfAttention(4, 3)
    with pytest.raises(ConfigurationError, match="expected a layer, or hidden_size"):
        TransformerStack(2, hidden_size=4)
    embeddings = TransformerEmbeddings(9, 4, max_position_embeddings=0, type_vocab_size=0, output_size=6)
    assert embeddings(torch.ones(2, 3, dtype=torch.long)).shape == (2, 3, 6)
