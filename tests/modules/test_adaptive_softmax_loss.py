"""The adaptive softmax, against its definition and as a distribution."""

import math

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import AdaptiveSoftmaxLoss


def test_it_is_a_distribution_and_the_loss_is_its_log_likelihood():
    torch.manual_seed(0)
    head = AdaptiveSoftmaxLoss(30, 8, cutoffs=[5, 12], div_value=2.0).double()
    states = torch.randn(6, 8, dtype=torch.double, requires_grad=True)
    targets = torch.tensor([0, 4, 5, 11, 29, -1])
    log_probabilities = head.log_probabilities(states)
    torch.testing.assert_close(log_probabilities.exp().sum(1), torch.ones(6, dtype=torch.double))
    expected = -log_probabilities[range(5), targets[:5]].sum()
    torch.testing.assert_close(head(states, targets), expected)
    for one, other in zip(
        torch.autograd.grad(head(states, targets), [states, *head.parameters()]),
        torch.autograd.grad(expected, [states, *head.parameters()]),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(
        head.target_log_probabilities(states, targets.clamp(min=0))[:5],
        log_probabilities[range(5), targets[:5]],
    )


def test_a_cluster_by_hand():
    head = AdaptiveSoftmaxLoss(4, 2, cutoffs=[2], div_value=1.0)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
    # The head chooses among two words and the cluster, the cluster among two words.
    states = torch.randn(1, 2)
    assert head.log_probabilities(states)[0].exp().tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 6, 1 / 6])
    assert head(states, torch.tensor([3])).item() == pytest.approx(math.log(6), rel=1e-6)


def test_no_targets():
    head = AdaptiveSoftmaxLoss(30, 8)
    loss = head(torch.zeros(0, 8, requires_grad=True), torch.zeros(0, dtype=torch.long))
    assert loss.item() == 0
    loss.backward()
    assert head(torch.randn(2, 8), torch.tensor([-1, -1])).item() == 0


@pytest.mark.parametrize("cutoffs", [[], [5, 5], [7, 3], [30], [0]])
def test_wrong_cutoffs(cutoffs):
    with pytest.raises(ConfigurationError, match="cutoffs: expected rising numbers between 0 and .* 30"):
        AdaptiveSoftmaxLoss(30, 8, cutoffs=cutoffs)


def test_too_narrow_for_its_clusters():
    with pytest.raises(ConfigurationError, match="div_value: .* no dimension to cluster 2"):
        AdaptiveSoftmaxLoss(30, 8, cutoffs=[5, 12])
    assert AdaptiveSoftmaxLoss(30, 8).softmax.cutoffs == [3, 30]


def test_sums_are_taken_in_single_precision():
    torch.manual_seed(0)
    head = AdaptiveSoftmaxLoss(30, 8)
    states, targets = torch.randn(2000, 8), torch.randint(0, 30, (2000,))
    with torch.autocast("cpu", torch.bfloat16):
        loss = head(states, targets)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, head(states, targets), rtol=2e-3, atol=0.0)
