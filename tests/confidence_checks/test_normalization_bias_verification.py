import pytest
import torch
from torch import nn

from nlpreg.confidence_checks import NormalizationBiasVerification


class Model(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


INPUTS = {"x": torch.randn(4, 6)}


@pytest.mark.parametrize("norm", [nn.LayerNorm(6), nn.BatchNorm1d(6), nn.GroupNorm(2, 6)])
def test_a_bias_before_a_normalisation_is_found(norm, caplog):
    verification = NormalizationBiasVerification(Model(nn.Linear(6, 6), norm, nn.Linear(6, 2)))
    assert verification.check(INPUTS) is False
    assert verification.detected_pairs == [("layers.0", "layers.1")]
    assert "build layers.0 with bias=False" in caplog.text


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Linear(6, 6, bias=False), nn.LayerNorm(6)],
        [nn.Linear(6, 6), nn.ReLU(), nn.LayerNorm(6)],
        [nn.Linear(6, 6).requires_grad_(False), nn.LayerNorm(6)],
        [nn.Linear(6, 6), nn.LayerNorm(6).eval()],
        [nn.LayerNorm(6)],
    ],
)
def test_what_is_fine(layers):
    assert NormalizationBiasVerification(Model(*layers)).check(INPUTS) is True


def test_a_pair_is_named_once():
    model = Model(nn.Linear(6, 6), nn.LayerNorm(6))
    verification = NormalizationBiasVerification(model)
    verification.register_hooks()
    model(**INPUTS)
    model(**INPUTS)
    verification.destroy_hooks()
    assert verification.collect_detections() == [("layers.0", "layers.1")]
    assert not any(module._forward_hooks for module in model.modules())


def test_hooks_are_gone_after_an_error():
    model = Model(nn.Linear(5, 5))
    with pytest.raises(RuntimeError, match="shape"):
        NormalizationBiasVerification(model).check(INPUTS)
    assert not any(module._forward_hooks for module in model.modules())
