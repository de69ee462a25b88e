"""A function and the operator that stands for it."""

import pytest
import torch

from nlpreg.modules.seq2seq_encoders import StackedBidirectionalLstmSeq2SeqEncoder
from nlpreg.modules.seq2vec_encoders import CnnEncoder
from nlpreg.modules.token_embedders import Embedding, TokenCharactersEncoder
from nlpreg.nn.operators import define_operator, exporting, for_autocast, is_exporting, run_uncompiled


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


def test_a_compiled_function_may_ask_whether_a_model_is_exported():
    def plus_or_minus_one(numbers):
        return numbers + 1 if not is_exporting() else numbers - 1

    compiled = torch.compile(plus_or_minus_one, fullgraph=True, backend="eager")
    assert compiled(torch.zeros(1)).item() == 1
    with exporting():
        assert plus_or_minus_one(torch.zeros(1)).item() == -1


def test_autocast():
    tensors = [torch.ones(2), torch.ones(1)]
    assert [tensor.dtype for tensor in for_autocast(*tensors)] == [torch.float32] * 2
    with torch.autocast("cpu", torch.bfloat16):
        assert [tensor.dtype for tensor in for_autocast(*tensors)] == [torch.bfloat16] * 2


def test_without_a_compiler_it_is_a_call():
    assert run_uncompiled(divmod, 7, 2) == (3, 1)
    assert run_uncompiled(int, "11", base=2) == 3


def words_of(ids):
    return torch.unique(ids)


@pytest.mark.filterwarnings("ignore")
def test_compiled_models_break_off_once():
    def model(x):
        return run_uncompiled(words_of, x * 2).float() * 3

    torch._dynamo.reset()
    explained = torch._dynamo.explain(model)(torch.tensor([1, 2, 1]))
    assert explained.graph_break_count == 1
    found = torch.compile(model, backend="eager")(torch.tensor([1, 2, 1]))
    assert found.tolist() == [6.0, 12.0]
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_encoders_that_are_not_compiled_still_run_in_compiled_models():
    mask = torch.arange(5) < torch.tensor([[5], [2], [0]])
    ids = torch.randint(1, 9, (2, 4, 6))
    for module, arguments in (
        (StackedBidirectionalLstmSeq2SeqEncoder(4, 3, num_layers=2), (torch.randn(3, 5, 4), mask)),
        (TokenCharactersEncoder(Embedding(4, 9), CnnEncoder(4, 5)), (ids,)),
    ):
        torch._dynamo.reset()
        compiled = torch.compile(module, backend="aot_eager")
        torch.testing.assert_close(compiled(*arguments), module(*arguments))
    torch._dynamo.reset()
