import torch

from nlpreg.training.metrics.stored_pairs import StoredPairs, average_ranks


def test_pairs_under_the_mask_are_kept():
    pairs = StoredPairs()
    pairs._store(torch.tensor([[1.0, 2.0]]), torch.tensor([[3, 4]]), torch.tensor([[True, False]]))
    pairs._store(torch.tensor([5.0]), torch.tensor([6]), None)
    predictions, gold = pairs._all_pairs()
    assert predictions.tolist() == [1.0, 5.0]
    assert gold.tolist() == [3.0, 6.0]


def test_nothing_kept_is_empty():
    predictions, gold = StoredPairs()._all_pairs()
    assert predictions.numel() == gold.numel() == 0
    assert average_ranks(predictions).numel() == 0
