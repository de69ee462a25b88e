import pytest
import torch

from nlpreg.training.callbacks import ConfidenceCheckError


@pytest.fixture
def suspicious(tiny_model):
    class Suspicious(tiny_model):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(3, 3)
            self.norm = torch.nn.LayerNorm(3)

        def forward(self, x, y):
            return super().forward(self.norm(self.first(x)), y)

    return Suspicious


def test_a_bias_that_is_undone_stops_the_run(make_trainer, suspicious, caplog):
    model = suspicious()
    with pytest.raises(
        ConfidenceCheckError, match="first and then norm; set trainer.run_confidence_checks to false"
    ):
        make_trainer(model=model).train()
    assert "the bias of first is undone by norm" in caplog.text
    assert not model.first._forward_hooks


def test_the_check_can_be_left_out(make_trainer, suspicious):
    make_trainer({"run_confidence_checks": False}, suspicious()).train()


def test_hooks_are_gone_after_an_error(make_trainer, tiny_model):
    model = tiny_model()
    model.fails_at = 1
    with pytest.raises(RuntimeError, match="power"):
        make_trainer(model=model).train()
    assert not any(module._forward_hooks for module in model.modules())
