import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import ScalarMix


def test_reference_value() -> None:
    mix = ScalarMix(2, initial_scalar_parameters=[0.0, 1.0])
    assert mix([torch.tensor([1.0]), torch.tensor([0.0])]).item() == pytest.approx(0.268941, abs=1e-6)


def test_equal_weights_at_first_times_gamma() -> None:
    mix = ScalarMix(3)
    tensors = [torch.randn(2, 4, 5) for _ in range(3)]
    torch.testing.assert_close(mix(tensors), sum(tensors) / 3)
    torch.nn.init.constant_(mix.gamma, 2.0)
    torch.testing.assert_close(mix(tensors), 2 * sum(tensors) / 3)


def test_layer_norm_sees_unmasked_entries_only() -> None:
    mix = ScalarMix(2, do_layer_norm=True)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    tensors = [torch.randn(2, 3, 4) for _ in range(2)]
    expected = torch.zeros(2, 3, 4)
    for tensor in tensors:
        real = tensor[mask]
        expected += (tensor - real.mean()) / real.std(unbiased=False) / 2
    torch.testing.assert_close(mix(tensors, mask), expected)
    spoiled = [tensor.masked_fill(~mask.unsqueeze(-1), 1e6) for tensor in tensors]
    torch.testing.assert_close(mix(spoiled, mask)[mask], expected[mask], rtol=1e-4, atol=1e-4)
    with pytest.raises(ConfigurationError, match="needs a mask"):
        mix(tensors)


def test_names_and_training() -> None:
    mix = ScalarMix(2, trainable=False)
    assert set(mix.state_dict()) == {"scalar_parameters.0", "scalar_parameters.1", "gamma"}
    assert mix.scalar_parameters[0].shape == (1,)
    assert not any(parameter.requires_grad for parameter in mix.parameters())
    assert all(parameter.requires_grad for parameter in ScalarMix(2).parameters())


def test_wrong_numbers() -> None:
    with pytest.raises(ConfigurationError, match="expected 2 initial_scalar_parameters, got 1"):
        ScalarMix(2, initial_scalar_parameters=[0.0])
    with pytest.raises(ConfigurationError, match="expected 2 tensors, got 1"):
        ScalarMix(2)([torch.zeros(1)])
