import math
from typing import Any

import pytest
import torch

from nlpreg.common import Lazy, Params
from nlpreg.nn.beam_search import (
    BeamSearch,
    Constraint,
    GumbelSampler,
    RepetitionPenaltyConstraint,
    Sampler,
    TopPSampler,
    TruncatedSampler,
)

PROBS = torch.tensor([[0.1, 0.2, 0.3, 0.3999, 0.0001], [0.7, 0.05, 0.05, 0.1, 0.1]])
LOG_PROBS = PROBS.log()


def build(name: str, **options: Any) -> Sampler:
    return Sampler.from_params(Params({"type": name, **options}))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("deterministic", {}),
        ("multinomial", {"temperature": 0.7}),
        ("top-k", {"k": 3}),
        ("top-p", {"p": 0.8}),
        ("truncated", {"k": 4, "min_p": 0.1}),
        ("gumbel", {"temperature": 2.0}),
    ],
)
def test_samples_carry_their_own_log_probabilities(name: str, options: dict[str, Any]) -> None:
    sampler = build(name, **options)
    state = sampler.init_state(LOG_PROBS, 2, 5)
    scores, beams, state = sampler.sample_beams(LOG_PROBS, 2, state)
    torch.testing.assert_close(scores, LOG_PROBS.gather(1, beams))
    assert all(len(set(row)) == 2 for row in beams.tolist())
    nodes = LOG_PROBS.repeat_interleave(2, dim=0)
    scores, classes, state = sampler.sample_nodes(nodes, 3, state)
    assert classes.shape == (4, 3)
    torch.testing.assert_close(scores, nodes.gather(1, classes))
    assert all(len(set(row)) == 3 for row in classes.tolist())
    scores, beams, _ = sampler.sample_beams(scores.view(2, 6), 2, state)
    assert scores[0, 0] >= scores[0, 1]
    assert ((beams >= 0) & (beams < 6)).all()


@pytest.mark.parametrize("name", ["multinomial", "top-k", "top-p", "truncated", "gumbel"])
def test_samplers_work_in_a_search(name: str) -> None:
    options = {"k": 3} if name == "top-k" else {}
    search = BeamSearch(4, max_steps=6, beam_size=3, sampler=build(name, **options))
    sequences, scores = search.search(torch.tensor([0, 1]), {}, lambda p, s: (LOG_PROBS[p.clamp(max=1)], s))
    assert sequences.shape[:2] == (2, 3)
    assert torch.isfinite(scores).all()


def test_multinomial_frequencies() -> None:
    torch.manual_seed(0)
    rows = LOG_PROBS[:1].expand(20000, 5)
    _, classes, _ = build("multinomial", with_replacement=True).sample_nodes(rows, 1, {})
    torch.testing.assert_close(classes.flatten().bincount(minlength=5) / 20000, PROBS[0], atol=0.02, rtol=0)
    _, classes, _ = build("multinomial", temperature=0.5, with_replacement=True).sample_nodes(rows, 1, {})
    sharper = PROBS[0] ** 2 / (PROBS[0] ** 2).sum()
    torch.testing.assert_close(classes.flatten().bincount(minlength=5) / 20000, sharper, atol=0.02, rtol=0)


def test_top_k_frequencies() -> None:
    torch.manual_seed(0)
    _, classes, _ = build("top-k", k=2, with_replacement=True).sample_nodes(
        LOG_PROBS[:1].expand(20000, 5), 1, {}
    )
    expected = torch.tensor([0, 0, 0.3, 0.3999, 0]) / 0.6999
    torch.testing.assert_close(classes.flatten().bincount(minlength=5) / 20000, expected, atol=0.02, rtol=0)


@pytest.mark.parametrize(("k", "nodes"), [(2, 3), (6, 3)])
def test_top_k_limits(k: int, nodes: int) -> None:
    with pytest.raises(ValueError, match="k must lie between"):
        build("top-k", k=k).sample_nodes(LOG_PROBS, nodes, {})


@pytest.mark.parametrize(
    ("p", "allowed"), [(0.0, {3}), (0.39, {3}), (0.5, {3, 2}), (0.75, {3, 2, 1}), (1.0, {0, 1, 2, 3, 4})]
)
def test_top_p_keeps_the_smallest_sufficient_set(p: float, allowed: set[int]) -> None:
    torch.manual_seed(0)
    _, classes, _ = build("top-p", p=p, with_replacement=True).sample_nodes(
        LOG_PROBS[:1].expand(30000, 5), 1, {}
    )
    seen = set(classes.flatten().tolist())
    assert seen <= allowed
    assert allowed - {4} <= seen  # class 4 is too rare to count on


def test_top_p_leaves_enough_to_draw() -> None:
    _, classes, _ = build("top-p", p=0.1).sample_nodes(LOG_PROBS, 3, {})
    assert [set(row) for row in classes.tolist()] == [{1, 2, 3}, {0, 3, 4}]


def test_top_p_limits() -> None:
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match="p: expected a number from 0 to 1"):
            TopPSampler(p)
    with pytest.raises(ValueError, match="number of classes 5"):
        TopPSampler().sample_nodes(LOG_PROBS, 6, {})


def test_gumbel_variables() -> None:
    torch.manual_seed(0)
    phi = torch.tensor([[0.0, 2.0]]).expand(50000, 2)
    sample = GumbelSampler().gumbel(phi)
    assert (sample.mean(0) - torch.tensor([0.5772, 2.5772])).abs().max() < 0.03
    assert sample.std().item() > 1.2


def test_gumbel_with_max() -> None:
    torch.manual_seed(0)
    phi = LOG_PROBS[:1].expand(40000, 5)
    largest = torch.full((40000, 1), 1.5)
    sample = GumbelSampler().gumbel_with_max(phi, largest)
    torch.testing.assert_close(sample.amax(1), largest.squeeze(1))
    # Which element is the largest does not depend on its value, and follows the probabilities.
    torch.testing.assert_close(sample.argmax(1).bincount(minlength=5) / 40000, PROBS[0], atol=0.015, rtol=0)
    # Given that it is not the largest, an element is a Gumbel variable cut off at the largest value.
    others = sample[:, 2][sample.argmax(1) != 2]
    free = GumbelSampler().gumbel(phi[:, 2:3]).squeeze(1)
    free = free[free < 1.5]
    assert abs(others.mean().item() - free.mean().item()) < 0.05


def test_gumbel_search_draws_without_replacement() -> None:
    """The first of two beams of one step is drawn by its probability."""
    torch.manual_seed(0)
    sampler = GumbelSampler()
    start = LOG_PROBS[:1].expand(20000, 5)
    state = sampler.init_state(start, 20000, 5)
    _, beams, _ = sampler.sample_beams(start, 2, state)
    # chance to be among two draws without replacement
    p = PROBS[0].tolist()
    expected = [a + sum(b * a / (1 - b) for j, b in enumerate(p) if j != i) for i, a in enumerate(p)]
    found = beams.flatten().bincount(minlength=5) / 20000
    torch.testing.assert_close(found, torch.tensor(expected), atol=0.02, rtol=0)


def test_gumbel_survives_impossible_classes() -> None:
    sampler = GumbelSampler()
    log_probs = torch.tensor([[0.0, -math.inf, -math.inf]])
    state = sampler.init_state(log_probs, 1, 3)
    assert torch.isfinite(state["G_phi_S"]).all()
    scores, classes, _ = sampler.sample_beams(log_probs, 1, state)
    assert (scores.item(), classes.item()) == (0.0, 0)


class NeverTheFourth(Constraint):
    def init_state(self, batch_size: int) -> Any:
        return [[{}] for _ in range(batch_size)]

    def apply(self, state: Any, class_log_probabilities: torch.Tensor) -> torch.Tensor:
        lowest = torch.finfo(class_log_probabilities.dtype).min
        return class_log_probabilities.index_fill(-1, torch.tensor([3]), lowest)

    def _update_state(self, state: Any, last_prediction: torch.Tensor) -> Any:
        return state


@pytest.mark.parametrize("options", [{"min_steps": 1}, {"constraints": [Lazy(NeverTheFourth)]}])
def test_gumbel_draws_nothing_forbidden_in_the_first_step(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    search = BeamSearch(3, max_steps=1, beam_size=3, sampler=GumbelSampler(), **options)
    start = torch.zeros(200, dtype=torch.long)
    sequences, scores = search.search(start, {}, lambda last, state: (LOG_PROBS[last], state))
    assert not (sequences == 3).any()
    assert scores.min() > -20


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, {0, 1, 2, 3, 4}),
        ({"k": 2}, {2, 3}),
        ({"p": 0.65}, {2, 3}),  # 0.3999 + 0.3 reach it
        ({"min_p": 0.5}, {1, 2, 3}),  # at least 0.19995
        ({"min_p": 0.5, "k": 2}, {2, 3}),
        ({"p": 0.95, "min_p": 0.6}, {2, 3}),
        ({"min_p": 1.0, "k": 1, "p": 0.0}, {3}),
        ({"min_p": 0.5, "temperature": 0.5}, {2, 3}),  # 0.3 is at least half of 0.3999 squared, 0.2 is not
    ],
)
def test_truncation_keeps_the_likely_classes_in_proportion(options: dict[str, Any], kept: set[int]) -> None:
    torch.manual_seed(0)
    sampler = build("truncated", with_replacement=True, **options)
    scores, classes, _ = sampler.sample_nodes(LOG_PROBS[:1].expand(20000, 5), 1, {})
    torch.testing.assert_close(scores, LOG_PROBS[0][classes])
    found = classes.flatten().bincount(minlength=5) / 20000
    expected = PROBS[0] ** (1 / options.get("temperature", 1.0))
    expected = expected * torch.tensor([float(i in kept) for i in range(5)])
    torch.testing.assert_close(found, expected / expected.sum(), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k: expected 1 or more, got 0"),
        ({"p": 1.5}, "p: expected a number from 0 to 1, got 1.5"),
        ({"min_p": -0.1}, "min_p: expected a number from 0 to 1"),
        ({"temperature": 0.0}, "temperature: expected a number above 0"),
    ],
)
def test_truncation_refuses_what_is_no_share(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TruncatedSampler(**options)


def test_repetition_penalty_scales_what_was_predicted() -> None:
    constraint = RepetitionPenaltyConstraint(penalty=2.0)
    state = constraint.init_state(2)
    torch.testing.assert_close(constraint.apply(state, LOG_PROBS.unsqueeze(1)), LOG_PROBS.unsqueeze(1))
    state = constraint.update_state(state, torch.tensor([[3, 1], [0, 0]]))
    state = constraint.update_state(state, torch.tensor([[2, 3], [0, 4]]), torch.tensor([[0, 0], [1, 1]]))
    found = constraint.apply(state, LOG_PROBS.unsqueeze(1).expand(2, 2, 5))
    seen = [[{2, 3}, {3}], [{0}, {0, 4}]]
    for sentence, beam in ((0, 0), (0, 1), (1, 0), (1, 1)):
        factors = torch.tensor([2.0 if i in seen[sentence][beam] else 1.0 for i in range(5)])
        torch.testing.assert_close(found[sentence, beam], LOG_PROBS[sentence] * factors)
    with pytest.raises(ValueError, match="penalty: expected 1 or more, got 0.5"):
        RepetitionPenaltyConstraint(penalty=0.5)
