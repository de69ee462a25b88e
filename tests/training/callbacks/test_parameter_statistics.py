import torch

from nlpreg.training.callbacks.parameter_statistics import (
    activations_by_name,
    learning_rates,
    parameter_statistics,
)


def test_parameters_and_gradients():
    model = torch.nn.Linear(2, 1)
    model(torch.tensor([[1.0, 3.0]])).sum().backward()
    model.register_parameter("empty", torch.nn.Parameter(torch.zeros(0)))
    scalars = parameter_statistics(model)
    assert scalars["gradient_mean/weight"].item() == 2.0
    assert scalars["gradient_std/weight"].item() == torch.tensor([1.0, 3.0]).std().item()
    assert scalars["parameter_mean/bias"].item() == model.bias.item()
    assert not any("empty" in name for name in scalars)


def test_learning_rates():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD([{"params": [model.weight], "lr": 0.5}, {"params": [model.bias]}], lr=0.1)
    model.bias.requires_grad_(False)
    assert learning_rates(model, optimizer) == {"weight": 0.5, "bias": 0.0}


def test_activations():
    module, one = torch.nn.Identity(), torch.ones(1)
    assert list(activations_by_name(module, one)) == ["Identity"]
    assert list(activations_by_name(module, (one, None, one))) == ["Identity_0", "Identity_2"]
    assert list(activations_by_name(module, {"a": one, "b": "x"})) == ["Identity_a"]
    assert activations_by_name(module, "text") == {}
