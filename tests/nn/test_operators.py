"""A function and the operator that stands for it."""

import pytest
import torch

from nlpreg.nn.operators import define_operator, for_autocast


def weighted_powers(numbers, weights, bias, exponent):
    total = torch.zeros_like(numbers)
    for weight in weights:
        total = total + weight * numbers**exponent
    return [total if bias is None else total + bias, numbers.sum() * weights[0]]


operator = define_operator(
    "nlpreg_tests::weighted_powers",
    "Tensor numbers, Tensor[] weights, Tensor? bias, int exponent",
    weighted_powers,
    lambda numbers, weights, *_: [torch.empty_like(numbers), torch.empty_like(weights[0])],
)


@pytest.mark.parametrize("has_bias", [False, True])
def test_it_gives_results_and_gradients_of_the_function(has_bias):
    torch.manual_seed(0)
    numbers, first, second, bias = (
        torch.randn(size, dtype=torch.double, requires_grad=True) for size in ((3,), (), (), (3,))
    )
    leaves = [numbers, first, second, *([bias] if has_bias else [])]

    def run(numbers, first, second, bias=None):
        return tuple(operator(numbers, [first, second], bias, 3))

    for found, expected in zip(
        run(*leaves), weighted_powers(numbers, [first, second], bias if has_bias else None, 3), strict=True
    ):
        torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(run, leaves)


def test_unused_results_and_whole_numbers_have_no_gradient():
    numbers = torch.tensor([1.0, 2.0], requires_grad=True)
    _, total = operator(numbers, [torch.tensor(2.0)], None, 2)
    total.backward()
    assert numbers.grad.tolist() == [2.0, 2.0]
    powers, _ = operator(torch.tensor([1, 2]), [torch.tensor(2)], None, 2)
    assert powers.tolist() == [2, 8]


def test_autocast():
    tensors = [torch.ones(2), torch.ones(1)]
    assert [tensor.dtype for tensor in for_autocast(*tensors)] == [torch.float32] * 2
    with torch.autocast("cpu", torch.bfloat16):
        assert [tensor.dtype for tensor in for_autocast(*tensors)] == [torch.bfloat16] * 2
