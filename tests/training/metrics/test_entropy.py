import math

import pytest
import torch

from nlpreg.training.metrics import Entropy


def test_uniform_distributions():
    entropy = Entropy()
    entropy(torch.zeros(3, 4))
    assert entropy.get_metric(reset=True) == {"entropy": pytest.approx(math.log(4))}
    assert entropy.get_metric() == {"entropy": 0.0}


def test_certainty_has_none():
    entropy = Entropy()
    entropy(torch.tensor([[0.0, -math.inf, -math.inf]]))
    assert entropy.get_metric() == {"entropy": 0.0}


def test_masked_mean_of_each_call_then_mean_over_calls():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    by_hand = torch.distributions.Categorical(logits=logits).entropy()
    mask = torch.tensor([[True, True, False], [True, False, False]])
    entropy = Entropy()
    entropy(logits, mask)
    entropy(logits)
    entropy(logits, torch.zeros(2, 3, dtype=torch.bool))
    expected = (by_hand[mask].mean() + by_hand.mean()) / 2
    assert entropy.get_metric() == {"entropy": pytest.approx(expected.item(), rel=1e-5)}
