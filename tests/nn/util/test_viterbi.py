import itertools

import pytest
import torch
from torch import Tensor

from nlpreg.nn.util.viterbi import best_paths


def all_paths(
    emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor
) -> list[tuple[float, list[int]]]:
    """Every path of one sentence with its score, best first."""
    num_steps, num_tags = emissions.shape
    scored = []
    for path in itertools.product(range(num_tags), repeat=num_steps):
        score = float(start[path[0]] + end[path[-1]])
        score += sum(float(emissions[t, tag]) for t, tag in enumerate(path))
        score += sum(float(transitions[a, b]) for a, b in itertools.pairwise(path))
        scored.append((score, list(path)))
    return sorted(scored, reverse=True)


@pytest.mark.parametrize("num_tags", [1, 2, 4])
@pytest.mark.parametrize("num_paths", [1, 2, 5, 40])
def test_equals_enumeration(num_tags: int, num_paths: int) -> None:
    torch.manual_seed(num_tags)
    lengths = torch.tensor([4, 1, 3, 2])
    emissions = torch.randn(4, 4, num_tags, dtype=torch.float64)
    transitions = torch.randn(num_tags, num_tags, dtype=torch.float64)
    start, end = torch.randn(2, num_tags, dtype=torch.float64)
    paths, scores = best_paths(emissions, lengths, transitions, start, end, num_paths)
    assert paths.shape == (4, num_paths, 4)
    for b, length in enumerate(lengths.tolist()):
        expected = all_paths(emissions[b, :length], transitions, start, end)[:num_paths]
        found = [
            (score, path[:length])
            for score, path in zip(scores[b].tolist(), paths[b].tolist(), strict=True)
            if score > -torch.inf
        ]
        assert len(found) == len(expected)
        for (score, path), (expected_score, expected_path) in zip(found, expected, strict=True):
            assert score == pytest.approx(expected_score)
            assert path == expected_path


def test_forbidden_transitions_are_avoided() -> None:
    transitions = torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0]])
    emissions = torch.tensor([[[0.0, 1.0], [0.0, 1.0], [5.0, 0.0]]])
    paths, scores = best_paths(emissions, torch.tensor([3]), transitions, num_paths=3)
    assert paths[0, :2].tolist() == [[0, 0, 0], [1, 1, 1]]
    assert scores[0].tolist() == [5.0, 2.0, -torch.inf]


def test_no_allowed_path_still_gives_tags() -> None:
    transitions = torch.full((2, 2), -torch.inf)
    paths, scores = best_paths(torch.zeros(1, 3, 2), torch.tensor([3]), transitions)
    assert scores.tolist() == [[-torch.inf]]
    assert ((paths >= 0) & (paths < 2)).all()


def test_sentence_without_words() -> None:
    _, scores = best_paths(torch.randn(2, 3, 2), torch.tensor([0, 2]), torch.zeros(2, 2), num_paths=2)
    assert scores[0].tolist() == [0.0, -torch.inf]


def test_padding_has_no_influence() -> None:
    torch.manual_seed(0)
    emissions, transitions = torch.randn(2, 6, 3), torch.randn(3, 3)
    lengths = torch.tensor([6, 3])
    paths, scores = best_paths(emissions, lengths, transitions, num_paths=4)
    emissions[1, 3:] = 1e6
    again, again_scores = best_paths(emissions, lengths, transitions, num_paths=4)
    assert torch.equal(scores, again_scores)
    assert torch.equal(paths[1, :, :3], again[1, :, :3])
