import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.gradients import (
    Precision,
    clip_gradient_norm,
    clip_gradient_values,
    gradient_norm,
    half_dtype,
    scale_gradients,
)


@pytest.fixture
def parameters():
    """One with a dense gradient, one with a sparse gradient that names a row twice, one without."""
    dense, sparse, none = (torch.nn.Parameter(torch.zeros(3, 2)) for _ in range(3))
    dense.grad = torch.tensor([[3.0, -4.0], [0.0, 1.0], [2.0, 2.0]])
    sparse.grad = torch.sparse_coo_tensor(
        torch.tensor([[0, 2, 0]]),
        torch.tensor([[1.0, 1.0], [5.0, -6.0], [1.0, 0.5]]),
        (3, 2),
        check_invariants=True,
    )
    return [dense, sparse, none]


def whole(parameters):
    return torch.cat([p.grad.to_dense().reshape(-1) for p in parameters if p.grad is not None])


def test_the_norm_is_over_all_gradients(parameters):
    expected = whole(parameters).norm()
    torch.testing.assert_close(gradient_norm(parameters), expected)


def test_clipping_by_norm(parameters):
    before = whole(parameters)
    norm = clip_gradient_norm(parameters, 2.0)
    torch.testing.assert_close(norm, before.norm())
    torch.testing.assert_close(whole(parameters), before * 2.0 / before.norm())


def test_small_gradients_are_left_alone(parameters):
    before = whole(parameters)
    clip_gradient_norm(parameters, 100.0)
    assert torch.equal(whole(parameters), before)


def test_clipping_by_value(parameters):
    before = whole(parameters)
    clip_gradient_values(parameters, 1.5)
    torch.testing.assert_close(whole(parameters), before.clamp(-1.5, 1.5))


def test_scaling(parameters):
    before = whole(parameters)
    scale_gradients(parameters, torch.tensor(0.5))
    torch.testing.assert_close(whole(parameters), before * 0.5)


def test_no_gradients():
    parameters = [torch.nn.Parameter(torch.zeros(2))]
    assert gradient_norm(parameters).item() == 0.0
    assert clip_gradient_norm(parameters, 1.0).item() == 0.0
    clip_gradient_values(parameters, 1.0)
    scale_gradients([], torch.tensor(2.0))


def test_types_may_be_mixed():
    parameters = [torch.nn.Parameter(torch.zeros(2, dtype=dtype)) for dtype in (torch.float32, torch.float64)]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 2.0)
    clip_gradient_norm(parameters, 1.0)
    assert all(torch.allclose(p.grad, torch.full_like(p, 0.5), atol=1e-5) for p in parameters)


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


def test_a_layer_that_the_processor_cannot_compute_in_half_precision():
    message = "could not create a primitive descriptor for the LSTM forward propagation primitive"
    with (
        pytest.raises(ConfigurationError, match='amp_dtype: this processor .* float16; set it to "bfloat16"'),
        Precision(CPU, True, "float16").autocast(),
    ):
        raise RuntimeError(message)
    with pytest.raises(RuntimeError, match="another"), Precision(CPU, True, "float16").autocast():
        raise RuntimeError("another error")
