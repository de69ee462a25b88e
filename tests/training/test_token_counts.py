import torch

from nlpreg.training.util import get_valid_tokens_mask, ngrams


def test_ngrams():
    ids = torch.tensor([1, 2, 1, 2, 0])
    assert ngrams(ids, 1, {0}) == {(1,): 2, (2,): 2}
    assert ngrams(ids, 2, {0}) == {(1, 2): 2, (2, 1): 1}
    assert ngrams(ids, 2, set()) == {(1, 2): 2, (2, 1): 1, (2, 0): 1}
    assert ngrams(ids, 6, set()) == {}
    assert ngrams(torch.zeros(0, dtype=torch.long), 1, set()) == {}


def test_valid_tokens():
    ids = torch.tensor([[1, 0], [5, 2]])
    assert get_valid_tokens_mask(ids, {0, 5}).tolist() == [[True, False], [False, True]]
    assert get_valid_tokens_mask(ids, set()).all()
