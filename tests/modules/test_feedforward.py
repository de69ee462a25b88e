import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import FeedForward
from nlpreg.nn import Activation


def test_config_with_lists() -> None:
    config = {
        "input_dim": 4,
        "num_layers": 2,
        "hidden_dims": [3, 2],
        "activations": ["relu", "linear"],
        "dropout": [0.2, 0.0],
    }
    feedforward = FeedForward.from_params(Params(config))
    assert (feedforward.get_input_dim(), feedforward.get_output_dim()) == (4, 2)
    assert set(feedforward.state_dict()) == {
        f"_linear_layers.{i}.{name}" for i in (0, 1) for name in ("weight", "bias")
    }
    feedforward.eval()
    x = torch.randn(2, 5, 4)
    first, second = feedforward._linear_layers
    torch.testing.assert_close(feedforward(x), second(torch.relu(first(x))))


def test_one_value_for_all_layers() -> None:
    feedforward = FeedForward(3, 3, 5, Activation.by_name("tanh")(), 0.1)
    assert [layer.out_features for layer in feedforward._linear_layers] == [5, 5, 5]
    assert [dropout.p for dropout in feedforward._dropout] == [0.1] * 3
    assert feedforward(torch.randn(7, 3)).shape == (7, 5)


@pytest.mark.parametrize("name", ["hidden_dims", "activations", "dropout"])
def test_lists_of_the_wrong_length(name: str) -> None:
    config = {"input_dim": 4, "num_layers": 2, "hidden_dims": 3, "activations": "relu", "dropout": 0.0}
    config[name] = [config[name]] * 3
    with pytest.raises(ConfigurationError, match=f"{name} has 3 entries for 2 layers"):
        FeedForward.from_params(Params(config))


def test_dropout_works_in_training_only() -> None:
    feedforward = FeedForward(10, 1, 1000, Activation.by_name("linear")(), 0.5)
    x = torch.randn(1, 10)
    assert 300 < (feedforward(x) == 0).sum() < 700
    assert not (feedforward.eval()(x) == 0).any()
