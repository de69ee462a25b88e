from typing import Any

import pytest
import torch
from torch import Tensor

from nlpreg.modules.conditional_random_field import forward_scores as module
from nlpreg.modules.conditional_random_field.forward_scores import (
    _logarithmic_forward,
    _ScaledForward,
    forward_scores,
)


def chain(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    logits = torch.randn(5, 3, 4, dtype=dtype, requires_grad=True)
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 0, 0], [1, 0, 1]]).bool()
    transitions = torch.randn(4, 4, dtype=dtype, requires_grad=True)
    start = torch.randn(4, dtype=dtype, requires_grad=True)
    return logits, mask, transitions, start


def scaled(logits: Tensor, counts: Tensor, transitions: Tensor, start: Tensor) -> Tensor:
    result: Tensor = _ScaledForward.apply(logits, counts, transitions, start)
    return result


@pytest.mark.parametrize("everywhere", [True, False])
def test_both_forms_agree(everywhere: bool) -> None:
    logits, mask, transitions, start = chain()
    counts = torch.ones_like(mask) if everywhere else mask
    counts[0] = True
    one = scaled(logits, counts, transitions, start)
    other = _logarithmic_forward(logits, counts, transitions, start)
    torch.testing.assert_close(one, other)
    weights = torch.randn_like(one)
    inputs = (logits, transitions, start)
    for a, b in zip(
        torch.autograd.grad((one * weights).sum(), inputs),
        torch.autograd.grad((other * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_gradient(num_steps: int) -> None:
    logits, mask, transitions, start = chain()
    logits = logits.detach()[:num_steps].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b, c: forward_scores(a, mask[:num_steps], b, c), (logits, transitions, start)
    )


def test_scores_far_apart_are_added_as_logarithms(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    original = module._logarithmic_forward
    monkeypatch.setattr(module, "_logarithmic_forward", lambda *a: used.append(True) or original(*a))
    logits, mask, transitions, start = chain(torch.float32)
    with torch.no_grad():
        forward_scores(logits, mask, transitions, start)
        assert not used
        transitions[:, 2] = -1e4
        transitions[1, 3] = -torch.inf
        scores = forward_scores(logits, torch.ones_like(mask), transitions, start)
    assert used
    exact = original(logits.double(), torch.ones_like(mask), transitions.double(), start.double())
    torch.testing.assert_close(scores, exact.float())


def test_large_but_close_scores_are_exact() -> None:
    logits, mask, transitions, start = chain(torch.float32)
    large = (logits * 40 + 1e3).detach()
    found = forward_scores(large, mask, transitions, start)
    counts = mask.clone()
    counts[0] = True
    exact = _logarithmic_forward(large.double(), counts, transitions.double(), start.double())
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=1e-3)


def test_padding_may_hold_anything() -> None:
    logits, mask, transitions, start = chain()
    expected = forward_scores(logits, mask, transitions, start)
    counts = mask.clone()
    counts[0] = True
    spoiled = logits.detach().masked_fill(~counts.unsqueeze(2), torch.nan)
    torch.testing.assert_close(forward_scores(spoiled, mask, transitions, start), expected)


@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_gradient_of_logarithms(num_steps: int) -> None:
    logits, mask, transitions, start = chain()
    counts = mask[:num_steps].clone()
    counts[0] = True
    logits = logits.detach()[:num_steps].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b, c: _logarithmic_forward(a, counts, b, c), (logits, transitions, start)
    )


def test_gradient_past_impossible_transitions() -> None:
    logits, mask, transitions, start = chain()
    with torch.no_grad():
        transitions[:, 2] = -torch.inf  # no tag may be followed by the third
    scores = _logarithmic_forward(logits, torch.ones_like(mask), transitions, start)
    torch.logsumexp(scores[-1], -1).sum().backward()
    assert logits.grad is not None and logits.grad.isfinite().all()
    assert not logits.grad[1:, :, 2].any()


@pytest.mark.parametrize("form", [scaled, _logarithmic_forward])
def test_memory_grows_with_words_times_tags(form: Any) -> None:
    num_steps, batch_size, num_tags = 30, 2, 50
    saved = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal saved
        saved += tensor.numel()
        return tensor

    logits = torch.randn(num_steps, batch_size, num_tags, requires_grad=True)
    transitions = torch.randn(num_tags, num_tags, requires_grad=True)
    counts = torch.ones(num_steps, batch_size, dtype=torch.bool)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        form(logits, counts, transitions, torch.zeros(num_tags))
    # pairs of tags for each word would be 150,000 numbers
    assert saved < 4 * num_steps * batch_size * num_tags + 2 * num_tags**2
