"""The pooling layer of a tiny transformer."""

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.seq2vec_encoders import BertPooler, Seq2VecEncoder

transformers = pytest.importorskip("transformers")


def test_a_copy_of_the_layer(tiny_transformer):
    encoder = Seq2VecEncoder.from_params(
        Params({"type": "bert_pooler", "pretrained_model": tiny_transformer})
    ).eval()
    model = transformers.AutoModel.from_pretrained(tiny_transformer).eval()
    states = torch.randn(2, 3, 8)
    torch.testing.assert_close(encoder(states), model.pooler(states))
    assert set(encoder.state_dict()) == {"pooler.dense.weight", "pooler.dense.bias"}
    assert encoder.get_input_dim() == encoder.get_output_dim() == 8
    nested = states.view(1, 2, 3, 8)
    torch.testing.assert_close(encoder(nested, num_wrapping_dims=1), encoder(states).view(1, 2, 8))


def test_frozen(tiny_transformer):
    encoder = BertPooler(tiny_transformer, requires_grad=False)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_a_transformer_without_one(tmp_path):
    config = transformers.GPT2Config(vocab_size=11, n_embd=8, n_layer=1, n_head=2)
    transformers.GPT2Model(config).save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError, match="expected a transformer with a pooler"):
        BertPooler(str(tmp_path))
