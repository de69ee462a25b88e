import math

import pytest
import torch

from nlpreg.nn.util.sampling import expected_counts, log_uniform_probabilities, sample_without_replacement


def test_probabilities() -> None:
    probabilities = log_uniform_probabilities(7)
    expected = [math.log((k + 2) / (k + 1)) / math.log(8) for k in range(7)]
    torch.testing.assert_close(probabilities, torch.tensor(expected))
    assert log_uniform_probabilities(100_000).double().sum().item() == pytest.approx(1.0, abs=1e-4)


def test_expected_counts_of_rare_classes_are_exact() -> None:
    probability = 1e-7
    counts = expected_counts(torch.tensor([probability, 0.5]), 1000)
    assert counts[0].item() == pytest.approx(-math.expm1(1000 * math.log1p(-probability)), rel=1e-5)
    assert counts[1].item() == 1.0


def one_by_one(probabilities: torch.Tensor, num_samples: int) -> tuple[list[int], int]:
    seen: list[int] = []
    tries = 0
    while len(seen) < num_samples:
        drawn = int(torch.multinomial(probabilities, 1))
        tries += 1
        if drawn not in seen:
            seen.append(drawn)
    return seen, tries


def test_same_law_as_drawing_one_by_one() -> None:
    torch.manual_seed(0)
    probabilities = log_uniform_probabilities(5)
    runs = 3000
    fast = [sample_without_replacement(probabilities, 3) for _ in range(runs)]
    slow = [one_by_one(probabilities, 3) for _ in range(runs)]
    fast_tries = torch.tensor([tries for _, tries in fast])
    slow_tries = torch.tensor([tries for _, tries in slow], dtype=torch.float32)
    error = 4 * slow_tries.std().item() * math.sqrt(2 / runs)
    assert abs((fast_tries.mean() - slow_tries.mean()).item()) < error
    for tries in (3, 4, 5, 6):
        share = [(values == tries).float().mean().item() for values in (fast_tries, slow_tries)]
        assert abs(share[0] - share[1]) < 4 * math.sqrt(0.5 / runs)
    for position in range(3):
        for k in range(5):
            of_fast = sum(int(classes[position]) == k for classes, _ in fast) / runs
            of_slow = sum(classes[position] == k for classes, _ in slow) / runs
            assert abs(of_fast - of_slow) < 4 * math.sqrt(0.5 / runs)


def test_samples_are_distinct_and_counted() -> None:
    classes, tries = sample_without_replacement(log_uniform_probabilities(1000), 999)
    assert len(set(classes.tolist())) == 999
    assert classes.dtype == torch.long
    assert tries >= 999
    assert tries == tries.round()


def test_first_draw_alone() -> None:
    _, tries = sample_without_replacement(log_uniform_probabilities(10), 1)
    assert tries == 1


def test_a_generator_repeats_itself() -> None:
    probabilities = log_uniform_probabilities(50)
    first = sample_without_replacement(probabilities, 20, torch.Generator().manual_seed(3))
    again = sample_without_replacement(probabilities, 20, torch.Generator().manual_seed(3))
    assert torch.equal(first[0], again[0])
    assert first[1] == again[1]
