import pytest
import torch

from nlpreg.training.optimizers import HuggingfaceAdamWOptimizer


@pytest.mark.parametrize("correct_bias", [True, False])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_updates_follow_the_formula(correct_bias, weight_decay):
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    optimizer = HuggingfaceAdamWOptimizer(
        [("p", parameter)],
        lr=0.1,
        betas=(0.8, 0.9),
        eps=1e-2,
        weight_decay=weight_decay,
        correct_bias=correct_bias,
    )
    mean = square = torch.zeros(3)
    expected = parameter.detach().clone()
    for step in range(1, 5):
        parameter.grad = g = torch.randn(3, generator=torch.Generator().manual_seed(step))
        optimizer.step()
        mean, square = 0.8 * mean + 0.2 * g, 0.9 * square + 0.1 * g * g
        rate = 0.1 * ((1 - 0.9**step) ** 0.5 / (1 - 0.8**step) if correct_bias else 1.0)
        expected = expected - rate * mean / (square.sqrt() + 1e-2)
        expected = expected - 0.1 * weight_decay * expected
    torch.testing.assert_close(parameter.detach(), expected)


def test_a_parameter_without_a_gradient_waits():
    early, late = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = HuggingfaceAdamWOptimizer([("early", early), ("late", late)], lr=0.1)
    early.grad = torch.ones(2)
    optimizer.step()
    assert late.tolist() == [1.0, 1.0]
    late.grad = torch.ones(2)
    optimizer.step()
    # its first step is bias-corrected as a first step, so it moves as the other one did
    torch.testing.assert_close(late.detach(), torch.full((2,), 0.9))
