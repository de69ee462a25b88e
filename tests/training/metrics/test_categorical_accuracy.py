import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics import CategoricalAccuracy


def test_share_of_right_choices():
    accuracy = CategoricalAccuracy()
    accuracy(torch.tensor([[0.35, 0.25, 0.1, 0.1, 0.2], [0.1, 0.6, 0.1, 0.2, 0.0]]), torch.tensor([0, 3]))
    assert accuracy.get_metric() == 0.5


def test_against_a_plain_count():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 7, 9, generator=generator)
    gold = torch.randint(0, 9, (4, 7), generator=generator)
    mask = torch.rand(4, 7, generator=generator) > 0.3
    for top_k in (1, 3, 9, 20):
        accuracy = CategoricalAccuracy(top_k=top_k)
        accuracy(scores, gold, mask)
        hits = [
            gold[b, t].item() in sorted(range(9), key=lambda c: -scores[b, t, c].item())[:top_k]
            for b in range(4)
            for t in range(7)
            if mask[b, t]
        ]
        assert accuracy.get_metric() == pytest.approx(sum(hits) / len(hits))


def test_counts_are_open_and_add_up_over_batches():
    accuracy = CategoricalAccuracy()
    for gold in ([0, 1], [1, 1]):
        accuracy(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor(gold))
    assert accuracy.correct_count == 3
    assert accuracy.total_count == 4
    assert accuracy.get_metric(reset=True) == 0.75
    assert accuracy.get_metric() == 0.0


def test_ties_can_count_in_part():
    scores = torch.tensor([[0.4, 0.4, 0.2], [0.3, 0.3, 0.3], [0.1, 0.2, 0.7]])
    accuracy = CategoricalAccuracy(tie_break=True)
    accuracy(scores, torch.tensor([1, 2, 0]))
    assert accuracy.get_metric(reset=True) == pytest.approx((1 / 2 + 1 / 3) / 3)
    accuracy(scores, torch.tensor([1, 2, 0]), torch.tensor([False, True, True]))
    assert accuracy.get_metric() == pytest.approx((1 / 3) / 2)


def test_everything_masked_is_zero():
    accuracy = CategoricalAccuracy()
    accuracy(torch.rand(2, 3), torch.tensor([0, 1]), torch.zeros(2, dtype=torch.bool))
    assert accuracy.get_metric() == 0.0


def test_an_empty_batch_counts_nothing():
    accuracy = CategoricalAccuracy()
    accuracy(torch.rand(0, 3), torch.zeros(0, dtype=torch.long))
    assert accuracy.get_metric() == 0.0


@pytest.mark.parametrize("arguments", [{"top_k": 0}, {"top_k": -1}])
def test_top_k_has_to_be_positive(arguments):
    with pytest.raises(ConfigurationError, match="top_k: expected a number above 0"):
        CategoricalAccuracy(**arguments)


def test_tie_break_goes_with_one_choice_only():
    with pytest.raises(ConfigurationError, match="top_k 1 only"):
        CategoricalAccuracy(top_k=2, tie_break=True)


def test_gold_needs_one_dimension_less():
    with pytest.raises(ConfigurationError, match=r"one dimension less than predictions \(2, 3\)"):
        CategoricalAccuracy()(torch.rand(2, 3), torch.zeros(2, 3, dtype=torch.long))


def test_gold_outside_of_the_classes_is_an_error_even_when_masked():
    mask = torch.tensor([True, False])
    with pytest.raises(ConfigurationError, match="outside of the 3 classes"):
        CategoricalAccuracy()(torch.rand(2, 3), torch.tensor([0, 3]), mask)
