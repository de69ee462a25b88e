import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.nn import RegularizerApplicator
from nlpreg.nn.regularizers import L1Regularizer, L2Regularizer, Regularizer


def module() -> torch.nn.Module:
    result = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))
    for parameter in result.parameters():
        torch.nn.init.constant_(parameter, -2.0)
    return result


def test_penalties() -> None:
    parameter = torch.tensor([1.0, -2.0, 3.0])
    assert L1Regularizer(0.5)(parameter).item() == 3.0
    assert L2Regularizer(0.5)(parameter).item() == 7.0
    assert Regularizer.from_params(Params({"alpha": 1}))(parameter).item() == 14.0


def test_first_matching_pattern_decides_for_each_parameter() -> None:
    model = module()
    model[1].bias.requires_grad_(False)
    config = {"regexes": [[r"0\.weight", {"type": "l2", "alpha": 0.1}], ["", {"type": "l1", "alpha": 1.0}]]}
    penalty = RegularizerApplicator.from_params(Params(config))(model)
    # weight of layer 0: 6 numbers squared; bias of layer 0: 2 numbers; weight of layer 1: 4 numbers
    assert isinstance(penalty, torch.Tensor)
    assert penalty.item() == pytest.approx(0.1 * 24 + 4 + 8)
    penalty.backward()
    assert model[1].bias.grad is None


def test_nothing_to_penalise() -> None:
    penalty = RegularizerApplicator()(module())
    assert isinstance(penalty, float)
    assert penalty == 0.0


def test_a_pattern_that_finds_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'no_such_name' matches no parameter; .* 0.bias"):
        RegularizerApplicator([("no_such_name", L2Regularizer())])(module())


def test_an_expression_that_others_come_before_is_told(caplog: pytest.LogCaptureFixture) -> None:
    RegularizerApplicator([("bias", L2Regularizer()), (".", L2Regularizer()), ("bias", L2Regularizer())])(
        module()
    )
    assert caplog.text.count("penalizes nothing") == 1
    assert "regularizer: 'bias' penalizes nothing, since other expressions come first" in caplog.text
