import math

import pytest
import torch

from nlpreg.training.metrics import Perplexity


def test_exponential_of_the_mean_over_calls():
    perplexity = Perplexity()
    perplexity(torch.tensor(1.0))
    perplexity(2.0)
    assert perplexity.get_metric(reset=True) == pytest.approx(math.exp(1.5))
    assert perplexity.get_metric() == 0.0


def test_zero_mean_gives_zero():
    perplexity = Perplexity()
    perplexity(0.0)
    assert perplexity.get_metric() == 0.0


def test_weighted_by_targets_it_does_not_depend_on_the_batches():
    losses = torch.rand(12, dtype=torch.float64)
    together, apart = Perplexity(), Perplexity()
    together(losses.mean(), weight=12)
    for part in losses.split([1, 4, 7]):
        apart(part.mean(), weight=len(part))
    assert apart.get_metric() == pytest.approx(together.get_metric(), abs=1e-12)


def test_a_huge_loss_is_infinite_perplexity():
    perplexity = Perplexity()
    perplexity(1000.0)
    assert perplexity.get_metric() == math.inf
