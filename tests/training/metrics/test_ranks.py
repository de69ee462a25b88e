import torch

from nlpreg.training.metrics.ranks import gather_over_ranks, local_metrics, several_ranks, sum_over_ranks

# the work of several ranks is tested with every metric in test_every_metric.py


def test_one_process_alone():
    assert not several_ranks()
    with local_metrics():
        assert not several_ranks()


def test_sums_of_one_rank_are_copies_with_their_shapes():
    parts = [torch.tensor(3), torch.tensor([[1.5, 2.5]]), torch.zeros(0, 3)]
    sums = sum_over_ranks(*parts)
    assert [total.shape for total in sums] == [part.shape for part in parts]
    assert [total.tolist() for total in sums] == [3.0, [[1.5, 2.5]], []]


def test_large_counts_stay_exact():
    (total,) = sum_over_ranks(torch.tensor(2**53 - 1))
    assert int(total) == 2**53 - 1


def test_gathering_from_one_rank():
    (share,) = gather_over_ranks(torch.tensor([1, 2], dtype=torch.uint8))
    assert share.tolist() == [1, 2]
