import pytest
import torch

from nlpreg.training.util import (
    enable_gradient_clipping,
    get_batch_size,
    get_valid_tokens_mask,
    move_optimizer_to_cuda,
    ngrams,
    rescale_gradients,
    str_to_time,
    time_to_str,
)


def test_times_there_and_back():
    text = time_to_str(1_600_000_000.9)
    assert len(text) == len("2020-09-13-12-26-40")
    assert str_to_time(text).timestamp() == 1_600_000_000


@pytest.mark.parametrize(
    ("batch", "size"),
    [
        (torch.zeros(3, 4), 3),
        ({"tokens": {"tokens": torch.zeros(5, 2)}, "label": torch.zeros(5)}, 5),
        ({}, 0),
        ({"metadata": ["a", "b"]}, 0),
        (torch.zeros(()), 0),
        (None, 0),
    ],
)
def test_batch_sizes(batch, size):
    assert get_batch_size(batch) == size


def test_gradients_are_clipped_as_they_are_made():
    model = torch.nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    enable_gradient_clipping(model, None)
    enable_gradient_clipping(model, 0.5)
    (3 * model(torch.tensor([[1.0, -0.1]]))).sum().backward()
    assert model.weight.grad.tolist() == [[0.5, pytest.approx(-0.3)]]


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # about what torch itself does
def test_sparse_gradients_are_clipped_too():
    embedding = torch.nn.Embedding(3, 1, sparse=True)
    enable_gradient_clipping(embedding, 1.5)
    embedding(torch.tensor([1, 1, 2])).sum().backward()
    assert embedding.weight.grad.to_dense().tolist() == [[0.0], [1.5], [1.0]]


def test_gradients_are_rescaled():
    model = torch.nn.Linear(2, 1, bias=False)
    model(torch.tensor([[3.0, 4.0]])).sum().backward()
    assert rescale_gradients(model, None) is None
    assert rescale_gradients(model, 1.0) == pytest.approx(5.0)
    torch.testing.assert_close(model.weight.grad, torch.tensor([[0.6, 0.8]]))


def test_the_state_of_an_optimizer_follows_its_parameters():
    parameter = torch.nn.Parameter(torch.zeros(2, device="meta"))
    optimizer = torch.optim.Adam([parameter])
    optimizer.state[parameter] = {"exp_avg": torch.zeros(2), "step": 3}
    move_optimizer_to_cuda(optimizer)
    assert optimizer.state[parameter]["exp_avg"].device.type == "meta"
    assert optimizer.state[parameter]["step"] == 3


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
