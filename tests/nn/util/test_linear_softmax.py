import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nlpreg.nn.util.linear_softmax import _chunks, linear_softmax_nll


def inputs(
    num_inputs: int = 7, width: int = 5, num_classes: int = 11, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    x, weight, bias = (
        torch.randn(shape, dtype=dtype, requires_grad=True)
        for shape in ((num_inputs, width), (width, num_classes), (num_classes,))
    )
    return x, weight, bias, torch.randint(0, num_classes, (num_inputs,))


def plain(x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(x @ weight + bias, targets, reduction="sum")


@pytest.mark.parametrize("chunk_size", [None, 1, 3, 7, 100])
def test_equals_the_plain_loss(chunk_size: int | None) -> None:
    x, weight, bias, targets = inputs()
    expected = plain(x, weight, bias, targets)
    gradients = torch.autograd.grad(expected * 0.3, (x, weight, bias))
    loss = linear_softmax_nll(x, weight, bias, targets, chunk_size=chunk_size)
    torch.testing.assert_close(loss, expected)
    for found, wanted in zip(torch.autograd.grad(loss * 0.3, (x, weight, bias)), gradients, strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_inputs_without_a_class_do_not_count(chunk_size: int | None) -> None:
    x, weight, bias, targets = inputs()
    counts = torch.tensor([True, False, True, True, False, False, True])
    expected = plain(x[counts], weight, bias, targets[counts])
    gradients = torch.autograd.grad(expected, (x, weight, bias))
    loss = linear_softmax_nll(x, weight, bias, targets.masked_fill(~counts, -1), chunk_size=chunk_size)
    torch.testing.assert_close(loss, expected)
    for found, wanted in zip(torch.autograd.grad(loss, (x, weight, bias)), gradients, strict=True):
        torch.testing.assert_close(found, wanted)


def test_single_precision_is_as_exact_as_the_plain_loss() -> None:
    x, weight, bias, targets = inputs(300, 64, 2000, torch.float32)
    with torch.no_grad():
        weight /= 8
    exact = [tensor.detach().double().requires_grad_() for tensor in (x, weight, bias)]
    wanted = torch.autograd.grad(plain(*exact, targets), exact)
    loss = linear_softmax_nll(x, weight, bias, targets, chunk_size=128)
    for found, target in zip(torch.autograd.grad(loss, (x, weight, bias)), wanted, strict=True):
        assert (found - target).abs().max() < 2e-6 * target.abs().max()
    assert loss.item() == pytest.approx(plain(*exact, targets).item(), rel=1e-6)


@pytest.mark.parametrize("chunk_size", [2, 50])
def test_gradient(chunk_size: int) -> None:
    x, weight, bias, targets = inputs(5, 3, 4)
    assert torch.autograd.gradcheck(
        lambda a, b, c: linear_softmax_nll(a, b, c, targets, chunk_size=chunk_size), (x, weight, bias)
    )


@pytest.mark.parametrize("chunk_size", [2, 50])
def test_gradient_with_targets_of_their_own(chunk_size: int) -> None:
    x, weight, bias, _ = inputs(5, 3, 4)
    logits = torch.randn(5, dtype=torch.float64, requires_grad=True)
    removed = torch.tensor([-1, 2, -1, 0, 3])
    assert torch.autograd.gradcheck(
        lambda a, b, c, d: linear_softmax_nll(a, b, c, removed, d, chunk_size), (x, weight, bias, logits)
    )
    scores = (x @ weight + bias).detach()
    scores[[1, 3, 4], [2, 0, 3]] = -torch.inf
    expected = -torch.log_softmax(torch.cat([logits.detach().unsqueeze(1), scores], 1), 1)[:, 0].sum()
    torch.testing.assert_close(linear_softmax_nll(x, weight, bias, removed, logits), expected)


def test_weights_may_be_transposed() -> None:
    x, weight, bias, targets = inputs()
    rows = weight.detach().t().contiguous().requires_grad_()
    loss = linear_softmax_nll(x, rows.t(), bias, targets, chunk_size=3)
    loss.backward()
    expected = torch.autograd.grad(plain(x, weight, bias, targets), weight)[0]
    assert rows.grad is not None
    torch.testing.assert_close(rows.grad, expected.t())


def test_frozen_parts_get_no_gradient() -> None:
    x, weight, bias, targets = inputs()
    loss = linear_softmax_nll(x, weight.detach(), bias.detach(), targets)
    loss.backward()
    torch.testing.assert_close(x.grad, torch.autograd.grad(plain(x, weight, bias, targets), x)[0])
    with torch.no_grad():
        torch.testing.assert_close(linear_softmax_nll(x, weight, bias, targets), loss.detach())


def test_huge_logits_stay_finite() -> None:
    x = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    loss = linear_softmax_nll(x, torch.tensor([[1.0, -1.0]]), torch.zeros(2), torch.tensor([0, 0]))
    assert loss.item() == 2e4
    loss.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0], [-2.0]]


def test_nothing_to_predict() -> None:
    x, weight, bias, _ = inputs()
    loss = linear_softmax_nll(x[:0], weight, bias, torch.zeros(0, dtype=torch.long))
    assert loss.item() == 0
    loss.backward()
    assert weight.grad is not None
    assert not weight.grad.any()


def test_autocast_computes_in_half_precision() -> None:
    x, weight, bias, targets = inputs(40, 16, 30, torch.float32)
    expected = plain(x, weight, bias, targets)
    wanted = torch.autograd.grad(expected, (x, weight, bias))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = linear_softmax_nll(x, weight, bias, targets, chunk_size=16)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=0.02)
    for found, target in zip(torch.autograd.grad(loss, (x, weight, bias)), wanted, strict=True):
        assert found.dtype == torch.float32
        assert (found - target).abs().max() < 0.05 * target.abs().max()


def test_a_chunk_has_at_least_one_row() -> None:
    x, weight, bias, targets = inputs()
    with pytest.raises(ValueError, match="chunk_size must be at least 1"):
        linear_softmax_nll(x, weight, bias, targets, chunk_size=0)


def test_parameters_in_half_precision_are_summed_in_single() -> None:
    x, weight, bias, targets = inputs(400, 16, 30, torch.float32)
    halves = [tensor.detach().bfloat16().requires_grad_() for tensor in (x, weight, bias)]
    exact = [tensor.detach().float().requires_grad_() for tensor in halves]
    loss = linear_softmax_nll(*halves, targets, chunk_size=4)  # type: ignore[arg-type]
    assert loss.dtype == torch.float32
    wanted = torch.autograd.grad(plain(*exact, targets), exact)  # type: ignore[arg-type]
    for found, target in zip(torch.autograd.grad(loss, halves), wanted, strict=True):
        assert found.dtype == torch.bfloat16
        assert (found.float() - target).abs().max() < 0.02 * target.abs().max()


def test_float16_keeps_small_gradients() -> None:
    """With many words each probability is below what float16 holds."""
    torch.manual_seed(0)
    x, weight, bias = torch.randn(8, 4), torch.randn(4, 50_000) / 100, torch.zeros(50_000, requires_grad=True)
    weight.requires_grad_()
    targets = torch.zeros(8, dtype=torch.long)
    with torch.autocast("cpu", dtype=torch.float16):
        loss = linear_softmax_nll(x, weight, bias, targets)
    (found,) = torch.autograd.grad(loss * 1e-3, weight)
    (wanted,) = torch.autograd.grad(plain(x, weight, bias, targets) * 1e-3, weight)
    rare = slice(1, None)  # all words but the target
    assert (found - wanted)[:, rare].norm() < 0.01 * wanted[:, rare].norm()


@pytest.mark.parametrize("num_rows", [1, 63, 64, 65, 150, 256, 257, 300, 512])
def test_chunks_cover_every_row_once(num_rows: int) -> None:
    chunks = list(_chunks(num_rows, 256))
    assert [row for rows in chunks for row in range(num_rows)[rows]] == list(range(num_rows))
    sizes = [len(range(num_rows)[rows]) for rows in chunks]
    assert all(size % 64 == 0 for size in sizes[:-1])
    assert sizes[-1] <= 64 or sizes[-1] % 64 == 0
