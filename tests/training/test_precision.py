import pytest
import torch

from nlpreg.training.gradients import Precision, half_dtype

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("device", "given", "expected"),
    [
        (CPU, None, torch.bfloat16),
        (GPU, None, torch.float16),
        (CPU, "float16", torch.float16),
        (GPU, "bfloat16", torch.bfloat16),
    ],
)
def test_the_half_precision_of_a_device(device, given, expected):
    assert half_dtype(device, given) == expected


def step_of(precision, parameter, optimizer, gradient):
    optimizer.zero_grad()
    precision.backward((parameter * gradient).sum())


def test_gradients_are_unscaled_once():
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    precision = Precision(CPU, True, "float16", scaler)
    for expected in (-2.0, -5.0):
        step_of(precision, parameter, optimizer, 3.0)
        assert parameter.grad.item() == 24.0
        precision.unscale(optimizer)
        precision.unscale(optimizer)
        assert parameter.grad.item() == 3.0
        precision.step(optimizer)
        assert parameter.item() == expected


def test_an_overflow_makes_no_update():
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    precision = Precision(CPU, True, "float16", torch.amp.GradScaler("cpu", init_scale=8.0))
    step_of(precision, parameter, optimizer, float("inf"))
    precision.step(optimizer)
    assert parameter.item() == 1.0
    assert precision.scaler.get_scale() == 4.0


def test_full_precision():
    precision = Precision(CPU, False)
    with precision.autocast():
        assert torch.mm(torch.ones(1, 1), torch.ones(1, 1)).dtype == torch.float32
    with Precision(CPU, True).autocast():
        assert torch.mm(torch.ones(1, 1), torch.ones(1, 1)).dtype == torch.bfloat16
