import math

import pytest
import torch
from torch.nn import functional

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import AdaptiveSoftmaxLoss, SoftmaxLoss


def test_names_and_initial_values() -> None:
    torch.manual_seed(0)
    loss = SoftmaxLoss(num_words=500, embedding_dim=40)
    assert {name: tuple(value.shape) for name, value in loss.state_dict().items()} == {
        "softmax_w": (40, 500),
        "softmax_b": (500,),
    }
    assert loss.softmax_w.std().item() == pytest.approx(1 / math.sqrt(40), rel=0.05)
    assert not loss.softmax_b.any()
    assert loss.tie_embeddings is False


@pytest.mark.parametrize("chunk_size", [None, 2])
@pytest.mark.parametrize("training", [True, False])
def test_equals_the_definition(chunk_size: int | None, training: bool) -> None:
    torch.manual_seed(0)
    loss = SoftmaxLoss(9, 4, chunk_size).train(training)
    torch.nn.init.normal_(loss.softmax_b)
    embeddings, targets = torch.randn(5, 4, requires_grad=True), torch.randint(0, 9, (5,))
    scores = embeddings @ loss.softmax_w + loss.softmax_b
    expected = -functional.log_softmax(scores, dim=1)[torch.arange(5), targets].sum()
    found = loss(embeddings, targets)
    torch.testing.assert_close(found, expected)
    parts = [embeddings, loss.softmax_w, loss.softmax_b]
    for one, other in zip(
        torch.autograd.grad(found, parts), torch.autograd.grad(expected, parts), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_zero_weights_give_the_log_of_the_number_of_words() -> None:
    loss = SoftmaxLoss(13, 4)
    torch.nn.init.zeros_(loss.softmax_w)
    value = loss(torch.randn(6, 4), torch.randint(0, 13, (6,)))
    assert value.item() == pytest.approx(6 * math.log(13), rel=1e-6)


def test_no_targets() -> None:
    loss = SoftmaxLoss(5, 3)
    value = loss(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    assert value.item() == 0
    value.backward()


def test_log_probabilities_are_those_of_the_loss():
    loss = SoftmaxLoss(num_words=7, embedding_dim=3)
    states, targets = torch.randn(5, 3), torch.tensor([0, 6, 2, 2, 5])
    log_probabilities = loss.log_probabilities(states)
    torch.testing.assert_close(log_probabilities.exp().sum(1), torch.ones(5))
    torch.testing.assert_close(-log_probabilities[range(5), targets].sum(), loss(states, targets))
    torch.testing.assert_close(
        loss.target_log_probabilities(states, targets), log_probabilities[range(5), targets]
    )
    assert loss.target_log_probabilities(states[:0], targets[:0]).shape == (0,)


def test_half_precision_is_close_to_single():
    torch.manual_seed(0)
    single, half = SoftmaxLoss(50, 16), SoftmaxLoss(50, 16, half_precision=True)
    half.load_state_dict(single.state_dict())
    states, targets = torch.randn(20, 16), torch.randint(0, 50, (20,))
    expected, found = single(states, targets), half(states, targets)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=5e-3, atol=0.0)
    (by_single,) = torch.autograd.grad(expected, single.softmax_w)
    (by_half,) = torch.autograd.grad(found, half.softmax_w)
    assert (by_single - by_half).norm() < 0.02 * by_single.norm()


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


def test_no_targets_of_the_adaptive_softmax():
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
