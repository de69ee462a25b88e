import math

import numpy
import pytest
import torch
from torch import Tensor

from nlpreg.nn.util import sequence_cross_entropy_with_logits

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
        sequence_cross_entropy_with_logits(X, Y, MASK, alpha="0.25")  # type: ignore[arg-type]
