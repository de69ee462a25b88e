"""Tests of significance, against scipy and closed forms."""

import tracemalloc

import numpy as np
import pytest

from nlpreg.evaluation.significance import bootstrap_interval, f1, mcnemar, paired_bootstrap, ratio


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0), (0, 1), (3, 3), (2, 9), (10, 1), (400, 520), (0, 5000)]
)
def test_mcnemar_is_the_binomial_test(first: int, second: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_figures_from_counts() -> None:
    assert ratio(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [0.75, 0.0]
    # 2 right of 4 predicted and 8 gold: precision 1/2, recall 1/4
    assert f1(np.array([[2.0, 4.0, 8.0], [0.0, 0.0, 0.0]])).tolist() == pytest.approx([1 / 3, 0.0])


def test_the_same_system_twice_does_not_differ() -> None:
    counts = np.array([[1.0, 2.0], [3.0, 3.0], [0.0, 1.0]])
    result = paired_bootstrap(counts, counts, ratio)
    assert (result.difference, result.low, result.high, result.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_a_score_gets_a_row_of_counts_for_each_sample() -> None:
    def accuracy(counts: np.ndarray) -> np.ndarray:
        correct, everything = counts.T
        return correct / everything

    first, second = np.array([[0.0, 1.0], [1.0, 1.0]] * 9), np.array([[1.0, 1.0], [1.0, 2.0]] * 9)
    assert paired_bootstrap(first, second, accuracy) == paired_bootstrap(first, second, ratio)


def test_a_system_that_is_right_everywhere_is_better_for_certain() -> None:
    wrong, right = np.array([[0.0, 1.0]] * 50), np.array([[1.0, 1.0]] * 50)
    result = paired_bootstrap(wrong, right, ratio)
    assert (result.first, result.second, result.low, result.high, result.p_value) == (0.0, 1.0, 1.0, 1.0, 0.0)


def test_the_interval_is_about_that_of_the_normal_distribution() -> None:
    # paired differences of -1, 0 and 1: the standard error of their mean is their deviation / sqrt(N)
    draw = np.random.default_rng(1)
    first = np.stack([draw.integers(0, 2, 400), np.ones(400)], 1).astype(float)
    second = np.stack([draw.integers(0, 2, 400), np.ones(400)], 1).astype(float)
    deviation = (second[:, 0] - first[:, 0]).std() / np.sqrt(400)
    result = paired_bootstrap(first, second, ratio, num_samples=4000)
    assert result.high - result.low == pytest.approx(2 * 1.96 * deviation, rel=0.06)
    assert (result.low + result.high) / 2 == pytest.approx(result.difference, abs=0.1 * deviation)


def test_it_is_repeatable_and_checks_its_input() -> None:
    counts = np.random.default_rng(0).integers(0, 5, (30, 2)) + np.array([0.0, 5.0])
    other = counts.copy()
    other[:, 0] = counts[::-1, 0]
    assert paired_bootstrap(counts, other, ratio) == paired_bootstrap(counts, other, ratio)
    with pytest.raises(ValueError, match="as many instances for both, and at least one, got 30 and 29"):
        paired_bootstrap(counts, other[1:], ratio)


def test_interval_of_one_system() -> None:
    counts = np.array([[1.0, 1.0]] * 60 + [[0.0, 1.0]] * 40)
    low, high = bootstrap_interval(counts, ratio, 4000)
    # of 100 independent labels the share has the standard deviation sqrt(0.6 * 0.4 / 100)
    assert (low, high) == pytest.approx((0.6 - 1.96 * 0.049, 0.6 + 1.96 * 0.049), abs=0.015)
    assert bootstrap_interval(counts, ratio, 50, seed=3) == bootstrap_interval(counts, ratio, 50, seed=3)
    assert bootstrap_interval(counts[:60], ratio, 50) == (1.0, 1.0)
    with pytest.raises(ValueError, match="expected at least one instance"):
        bootstrap_interval(counts[:0], ratio)


def test_memory_does_not_grow_with_the_number_of_resamples() -> None:
    counts = np.ones((20_000, 2))
    tracemalloc.start()
    try:
        assert bootstrap_interval(counts, ratio, num_samples=100) == (1.0, 1.0)
        assert paired_bootstrap(counts, counts, ratio, num_samples=100).difference == 0
        assert tracemalloc.get_traced_memory()[1] < 10 * counts.nbytes
    finally:
        tracemalloc.stop()
