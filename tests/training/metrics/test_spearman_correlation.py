import math

import pytest
import torch

from nlpreg.training.metrics import SpearmanCorrelation
from nlpreg.training.metrics.spearman_correlation import StoredPairs, average_ranks


@pytest.mark.oracle
def test_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    generator = torch.Generator().manual_seed(4)
    x = (torch.randn(60, generator=generator) * 4).round()  # with ties
    y = x + torch.randn(60, generator=generator)
    mask = torch.rand(60, generator=generator) > 0.3
    masked_x, masked_y = x * mask, y * mask  # as in AllenNLP
    correlation = SpearmanCorrelation()
    for part in (slice(0, 11), slice(11, 60)):
        correlation(x[part], y[part], mask[part])
    expected = stats.spearmanr(masked_x.numpy(), masked_y.numpy())[0]
    assert correlation.get_metric(reset=True) == pytest.approx(expected)
    assert math.isnan(correlation.get_metric())


def test_order_is_all_that_matters():
    correlation = SpearmanCorrelation()
    correlation(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 10.0], [100.0, 1000.0]]))
    assert correlation.get_metric() == pytest.approx(1.0)


def test_ties_share_their_rank():
    assert average_ranks(torch.tensor([3.0, 1.0, 3.0, 0.0])).tolist() == [3.5, 2.0, 3.5, 1.0]


def test_pairs_under_the_mask_are_kept():
    pairs = StoredPairs()
    pairs._store(torch.tensor([[1.0, 2.0]]), torch.tensor([[3, 4]]), torch.tensor([[True, False]]))
    pairs._store(torch.tensor([5.0]), torch.tensor([6]), None)
    predictions, gold = pairs._all_pairs(reset=False)
    assert predictions.tolist() == [1.0, 5.0]
    assert gold.tolist() == [3.0, 6.0]


def test_nothing_kept_is_empty():
    predictions, gold = StoredPairs()._all_pairs(reset=False)
    assert predictions.numel() == gold.numel() == 0
    assert average_ranks(predictions).numel() == 0
