import itertools
import logging

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.util import viterbi_decode

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
