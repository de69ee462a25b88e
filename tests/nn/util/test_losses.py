import math
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nlpreg.nn import cpu_layers
from nlpreg.nn.util import sequence_cross_entropy_with_logits
from nlpreg.nn.util.losses import linear_softmax_nll

X = torch.tensor([[[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]], [[0.5, 0.0], [1.0, 1.0], [9.0, 9.0]]])
Y = torch.tensor([[1, 1, 0], [0, 1, 0]])
MASK = torch.tensor([[True, True, True], [True, True, False]])


def by_hand(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    average: str | None,
    smoothing: float = 0.0,
    gamma: float = 0.0,
    alpha: list[float] | None = None,
) -> Tensor:
    """The formula of the documentation, one timestep after the other."""
    rows, sums = [], []
    for b in range(logits.size(0)):
        total = 0.0
        for t in range(logits.size(1)):
            probs = [math.exp(v) for v in logits[b, t].tolist()]
            probs = [p / sum(probs) for p in probs]
            target = int(targets[b, t])
            q = [smoothing / len(probs) + (1 - smoothing) * (c == target) for c in range(len(probs))]
            nll = -sum(a * math.log(p) for a, p in zip(q, probs, strict=True))
            factor = (1 - probs[target]) ** gamma * (alpha[target] if alpha else 1.0)
            total += float(weights[b, t]) * factor * nll
        rows.append(total)
        sums.append(float(weights[b].sum()))
    if average == "token":
        return torch.tensor(sum(rows) / sum(sums))
    means = [row / weight if weight else 0.0 for row, weight in zip(rows, sums, strict=True)]
    if average is None:
        return torch.tensor(means)
    return torch.tensor(sum(means) / max(1, sum(weight > 0 for weight in sums)))


@pytest.mark.parametrize(("average", "expected"), [("batch", 0.404324), ("token", 0.368467)])
def test_reference_values(average: str, expected: float) -> None:
    assert sequence_cross_entropy_with_logits(X, Y, MASK, average).item() == pytest.approx(expected, abs=1e-5)


def test_reference_values_with_options() -> None:
    each = sequence_cross_entropy_with_logits(X, Y, MASK, None)
    torch.testing.assert_close(each, torch.tensor([0.225037, 0.583612]), atol=1e-5, rtol=0)
    smoothed = sequence_cross_entropy_with_logits(X, Y, MASK, label_smoothing=0.1)
    assert smoothed.item() == pytest.approx(0.452241, abs=1e-5)
    focal = sequence_cross_entropy_with_logits(X, Y, MASK, gamma=2, alpha=0.25)
    assert focal.item() == pytest.approx(0.025402, abs=1e-5)


@pytest.mark.parametrize("average", ["batch", "token", None])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("gamma", [0.0, 1.5])
@pytest.mark.parametrize("alpha", [None, [0.2, 0.7, 1.1]])
def test_equals_the_formula(
    average: str | None, smoothing: float, gamma: float, alpha: list[float] | None
) -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 4, 3), torch.randint(0, 3, (3, 4))
    weights = torch.rand(3, 4) * (torch.rand(3, 4) > 0.3)
    weights[2] = 0
    result = sequence_cross_entropy_with_logits(
        logits, targets, weights, average, label_smoothing=smoothing, gamma=gamma, alpha=alpha
    )
    torch.testing.assert_close(
        result, by_hand(logits, targets, weights, average, smoothing, gamma, alpha), atol=1e-5, rtol=1e-5
    )


def test_forms_of_alpha_agree() -> None:
    results = [
        sequence_cross_entropy_with_logits(X, Y, MASK, alpha=alpha)
        for alpha in (
            0.25,
            torch.tensor(0.25),
            [0.75, 0.25],
            numpy.array([0.75, 0.25]),
            torch.tensor([0.75, 0.25]),
        )
    ]
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])


def test_nothing_but_padding_gives_zero() -> None:
    for average in ("batch", "token"):
        assert sequence_cross_entropy_with_logits(X, Y, torch.zeros_like(MASK), average) == 0


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="average must be"):
        sequence_cross_entropy_with_logits(X, Y, MASK, "sentence")
    with pytest.raises(TypeError, match="alpha must be"):
        sequence_cross_entropy_with_logits(X, Y, MASK, alpha="0.25")


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
    loss = linear_softmax_nll(*halves, targets, chunk_size=4)
    assert loss.dtype == torch.float32
    wanted = torch.autograd.grad(plain(*exact, targets), exact)
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


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch is built without oneDNN")
@pytest.mark.parametrize("has_logits", [False, True])
@pytest.mark.parametrize("num_rows", [1, 63, 64, 65, 150])
def test_rows_up_to_a_regular_number_do_not_count(
    monkeypatch: pytest.MonkeyPatch, num_rows: int, has_logits: bool
) -> None:
    x, weight, bias, targets = inputs(num_rows, dtype=torch.float32)
    logits = torch.randn(num_rows, requires_grad=True) if has_logits else None
    tensors = [tensor for tensor in (x, weight, bias, logits) if tensor is not None]
    expected = linear_softmax_nll(x, weight, bias, targets, logits, chunk_size=64)
    gradients = torch.autograd.grad(expected, tensors)
    sizes = []

    def product(left: Tensor, right: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        sizes.append(left.size(0))
        return cpu_layers.matrix_product(left, right, *args, **kwargs)

    monkeypatch.setattr(cpu_layers, "_WORTH_IT", 0)
    monkeypatch.setattr("nlpreg.nn.util.losses.matrix_product", product)
    loss = linear_softmax_nll(x, weight, bias, targets, logits, chunk_size=64)
    torch.testing.assert_close(loss, expected)
    for found, wanted in zip(torch.autograd.grad(loss, tensors), gradients, strict=True):
        torch.testing.assert_close(found, wanted)
    assert set(sizes) == {64, x.size(1)}  # of scores and inputs, and of the weight
