import logging

import torch

from nlpreg.common.tensors import (
    get_frozen_and_tunable_parameter_names,
    int_to_device,
    log_frozen_and_tunable_parameter_names,
    nan_safe_tensor_divide,
)


def test_int_to_device():
    assert int_to_device(-1) == torch.device("cpu")
    assert int_to_device(2) == torch.device("cuda", 2)
    assert int_to_device(torch.device("cpu")) == torch.device("cpu")


def test_division_by_zero_is_zero():
    result = nan_safe_tensor_divide(torch.tensor([1.0, 0.0, 3.0]), torch.tensor([0.0, 0.0, 2.0]))
    assert result.tolist() == [0.0, 0.0, 1.5]


def test_division_by_zero_has_a_gradient():
    numerator = torch.tensor([1.0, 4.0], requires_grad=True)
    nan_safe_tensor_divide(numerator, torch.tensor([0.0, 2.0])).sum().backward()
    assert numerator.grad.tolist() == [0.0, 0.5]


def test_frozen_and_tunable_names(caplog):
    model = torch.nn.Linear(2, 3)
    model.bias.requires_grad_(False)
    assert get_frozen_and_tunable_parameter_names(model) == (["bias"], ["weight"])
    with caplog.at_level(logging.INFO):
        log_frozen_and_tunable_parameter_names(model)
    said = [record.getMessage() for record in caplog.records]
    assert said.index("bias") < said.index("weight")
