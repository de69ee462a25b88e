import math

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics import Auc


@pytest.mark.oracle
def test_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = torch.Generator().manual_seed(1)
    scores = (torch.rand(60, generator=generator) * 12).round()  # with ties
    gold = torch.randint(0, 2, (60,), generator=generator)
    mask = torch.rand(60, generator=generator) > 0.2
    auc = Auc()
    for part in (slice(0, 7), slice(7, 60)):
        auc(scores[part], gold[part], mask[part])
    expected = metrics.roc_auc_score(gold[mask].numpy(), scores[mask].numpy())
    assert auc.get_metric(reset=True) == pytest.approx(expected)
    assert auc.get_metric() == 0.5


def test_other_gold_values():
    auc = Auc(positive_label=7)
    auc(torch.tensor([0.1, 0.9, 0.8]), torch.tensor([3, 7, 3]))
    assert auc.get_metric() == 1.0


def test_one_class_alone_has_no_area():
    auc = Auc()
    auc(torch.tensor([0.1, 0.9]), torch.tensor([1, 1]))
    assert math.isnan(auc.get_metric())


def test_bad_input():
    with pytest.raises(ConfigurationError, match="predictions: expected one dimension"):
        Auc()(torch.zeros(2, 2), torch.zeros(2))
    with pytest.raises(ConfigurationError, match="gold_labels: expected one dimension"):
        Auc()(torch.zeros(2), torch.zeros(2, 1))
    with pytest.raises(ConfigurationError, match="at most two different values"):
        Auc()(torch.zeros(3), torch.tensor([0, 1, 2]))
    with pytest.raises(ConfigurationError, match="positive label 1 is not among"):
        Auc()(torch.zeros(2), torch.tensor([2, 3]))
