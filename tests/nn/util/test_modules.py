import pytest
import torch
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn import util


def test_clones_are_independent() -> None:
    layer = nn.Linear(2, 2)
    copies = util.clone(layer, 3)
    assert len(copies) == 3
    with torch.no_grad():
        layer.weight.zero_()
    assert copies[0].weight.any()
    assert copies[0].weight is not copies[1].weight


def test_inspecting_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1, bias=False)))
    model[0].bias.requires_grad_(False)
    expected = {"0": {"weight": "tunable", "bias": "frozen"}, "1": {"0": {"weight": "tunable"}}}
    assert util.inspect_parameters(model, quiet=True) == expected
    assert capsys.readouterr().out == ""
    util.inspect_parameters(model)
    assert '"bias": "frozen"' in capsys.readouterr().out


class TextFieldEmbedder(nn.Module):
    pass


class BasicTextFieldEmbedder(TextFieldEmbedder):
    def __init__(self, **embedders: nn.Module) -> None:
        super().__init__()
        self.token_embedders = embedders
        for name, embedder in embedders.items():
            self.add_module(f"token_embedder_{name}", embedder)


class Embedding(nn.Module):
    def __init__(self, projection: nn.Module | None = None) -> None:
        super().__init__()
        self._projection = projection


class BertEmbeddings(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(3, 2)


def test_finding_a_text_field_embedder() -> None:
    embedder = BasicTextFieldEmbedder(tokens=Embedding())
    assert util.find_text_field_embedder(nn.Sequential(nn.Linear(1, 1), embedder)) is embedder
    with pytest.raises(ValueError, match="no TextFieldEmbedder"):
        util.find_text_field_embedder(nn.Linear(1, 1))


def test_finding_the_embedding_layer() -> None:
    sole = Embedding()
    assert util.find_embedding_layer(nn.Sequential(BasicTextFieldEmbedder(tokens=sole))) is sole
    for embedder in (
        BasicTextFieldEmbedder(tokens=Embedding(nn.Linear(1, 1))),
        BasicTextFieldEmbedder(a=Embedding(), b=Embedding()),
        TextFieldEmbedder(),
    ):
        assert util.find_embedding_layer(nn.Sequential(embedder)) is embedder
    bert = BertEmbeddings()
    assert util.find_embedding_layer(BasicTextFieldEmbedder(bert=bert)) is bert.word_embeddings
    with pytest.raises(RuntimeError, match="no embedding layer"):
        util.find_embedding_layer(nn.Linear(1, 1))


@pytest.mark.parametrize("layer", [nn.Linear(3, 2), nn.Linear(3, 2, bias=False), nn.Bilinear(3, 4, 2)])
def test_extending_a_layer(layer: nn.Linear | nn.Bilinear) -> None:
    old = layer.weight.detach().clone()
    layer.weight.requires_grad_(False)
    util.extend_layer(layer, 5)
    assert layer.out_features == 5
    assert layer.weight.size(0) == 5
    assert torch.equal(layer.weight[:2], old)
    assert not layer.weight.requires_grad
    if layer.bias is not None:
        assert layer.bias.shape == (5,)
        assert not layer.bias[2:].any()
    util.extend_layer(layer, 5)
    with pytest.raises(ConfigurationError, match="more than 4"):
        util.extend_layer(layer, 4)


def test_other_layers_cannot_be_extended() -> None:
    with pytest.raises(ConfigurationError, match="got LSTM"):
        util.extend_layer(nn.LSTM(1, 1), 2)
