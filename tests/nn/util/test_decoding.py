import itertools
import logging

import pytest
import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.util import viterbi_decode
from nlpreg.nn.util.decoding import best_paths

X = torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]])
TRANSITIONS = torch.tensor([[0.1, 0.2], [-0.3, 0.4]])


def test_reference_values() -> None:
    paths, scores = viterbi_decode(X, TRANSITIONS, top_k=3)
    assert paths == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    torch.testing.assert_close(scores, torch.tensor([6.1, 4.9, 4.8]))
    path, score = viterbi_decode(X, TRANSITIONS)
    assert path == [1, 1, 0]
    assert all(type(tag) is int for tag in path)
    assert score.dim() == 0
    assert score.item() == pytest.approx(6.1)


def test_more_paths_than_there_are() -> None:
    paths, scores = viterbi_decode(X, TRANSITIONS, top_k=20)
    assert sorted(paths) == sorted(map(list, itertools.product(range(2), repeat=3)))
    assert scores.shape == (8,)
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)


def test_start_and_end() -> None:
    allowed = torch.tensor([0.0, -torch.inf])
    path, score = viterbi_decode(X, TRANSITIONS, allowed_start_transitions=allowed)
    assert path == [0, 1, 0]
    assert score.item() == 100000
    path, _ = viterbi_decode(X, TRANSITIONS, allowed_end_transitions=torch.tensor([-torch.inf, 0.0]))
    assert path == [1, 1, 1]
    paths, _ = viterbi_decode(
        X, TRANSITIONS, allowed_end_transitions=torch.tensor([-torch.inf, 0.0]), top_k=9
    )
    assert len(paths) == 4
    assert all(path[-1] == 1 for path in paths)


def test_start_transitions_may_be_log_probabilities() -> None:
    path, _ = viterbi_decode(X, TRANSITIONS, allowed_start_transitions=torch.tensor([0.0, -5.0]))
    assert path[0] == 0


def test_observed_tags_are_kept_and_restart_the_score() -> None:
    torch.manual_seed(0)
    emissions, transitions = torch.randn(5, 3), torch.randn(3, 3)
    observations = [-1, 2, -1, 0, -1]
    path, score = viterbi_decode(emissions, transitions, observations)

    def value(candidate: tuple[int, ...]) -> float:
        total = sum(float(emissions[t, tag]) for t, tag in enumerate(candidate) if observations[t] < 0)
        return total + sum(float(transitions[a, b]) for a, b in itertools.pairwise(candidate))

    candidates = [c for c in itertools.product(range(3), repeat=5) if c[1] == 2 and c[3] == 0]
    assert tuple(path) == max(candidates, key=value)
    after = float(transitions[0, path[4]] + emissions[4, path[4]])
    assert score.item() == pytest.approx(100000 + after, abs=0.02)


def test_observed_last_tag() -> None:
    path, score = viterbi_decode(X, TRANSITIONS, [-1, -1, 1])
    assert path[-1] == 1
    assert score.item() == 100000


def test_observation_against_the_transitions_warns(caplog: pytest.LogCaptureFixture) -> None:
    forbidden = torch.tensor([[0.0, -torch.inf], [0.0, 0.0]])
    with caplog.at_level(logging.WARNING):
        path, _ = viterbi_decode(X, forbidden, [0, 1, -1])
    assert path[:2] == [0, 1]
    assert "as good as forbidden" in caplog.text


def test_minus_infinity() -> None:
    # The best emissions would go 0, 0, 0, which is forbidden.
    emissions = torch.tensor(
        [[0.0, 0.0, 0.0, 3.0, 4.0], [0.0, 0.0, 0.0, 3.0, 4.0], [0.0, 0.0, 0.0, 3.0, 4.0]]
    )
    transitions = torch.zeros(5, 5)
    transitions[4, 4] = -torch.inf
    path, score = viterbi_decode(emissions, transitions)
    assert path == [4, 3, 4]
    assert score.item() == 11.0


def test_one_timestep() -> None:
    paths, scores = viterbi_decode(X[:1], TRANSITIONS, top_k=5)
    assert paths == [[1], [0]]
    assert scores.tolist() == [2.0, 1.0]


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="top_k must be at least 1"):
        viterbi_decode(X, TRANSITIONS, top_k=0)
    with pytest.raises(ConfigurationError, match="each of 3 timesteps, got 2"):
        viterbi_decode(X, TRANSITIONS, [1, -1])


def test_half_precision() -> None:
    assert viterbi_decode(X.half(), TRANSITIONS.half())[0] == [1, 1, 0]


def test_of_equal_paths_the_one_with_the_smaller_end_is_taken() -> None:
    emissions = torch.tensor([[0.0, 0.0, 0.0, 3.0, 4.0]] * 6)
    transitions = torch.zeros(5, 5).fill_diagonal_(-torch.inf)
    assert viterbi_decode(emissions, transitions)[0] == [4, 3, 4, 3, 4, 3]


def test_inputs_with_gradient() -> None:
    path, score = viterbi_decode(X.clone().requires_grad_(), TRANSITIONS.clone().requires_grad_())
    assert path == [1, 1, 0]
    assert not score.requires_grad


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
